// Asks the real yaml-language-server, over its protocol on stdin and stdout, what an editor would show.
//
// node ask.mjs <folder of the server's package> <project folder> < questions > answers
//
// A question: { "file": "workflows/a.yaml", "text": "…", "line": 3, "character": 12 }, counted from 0. Its answer:
// { "errors": ["2:4 …"], "completion": ["…"], "hover": "…" }. What `.vscode/settings.json` of the project says of
// schemas is told to the server, as the editor does; the catalogue of schemas on the internet is off.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [packages, project] = process.argv.slice(2);
const questions = JSON.parse(readFileSync(0, "utf8"));
const settings = JSON.parse(readFileSync(join(project, ".vscode/settings.json"), "utf8"));
const yaml = { validate: true, hover: true, completion: true, schemaStore: { enable: false }, schemas: settings["yaml.schemas"] };

const root = pathToFileURL(project).href;
const server = spawn(process.execPath, [join(packages, "node_modules/yaml-language-server/bin/yaml-language-server"), "--stdio"], {
  stdio: ["pipe", "pipe", "inherit"],
  cwd: project,
});
const answers = new Map();
const shown = new Map();
let next = 0;

function send(message) {
  const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
  server.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
  server.stdin.write(body);
}

function request(method, params) {
  const id = ++next;
  send({ id, method, params });
  return new Promise((resolve) => answers.set(id, resolve));
}

function receive(message) {
  if (message.id !== undefined && message.method === undefined) {
    answers.get(message.id)(message.result);
  } else if (message.method === "workspace/configuration") {
    const parts = { yaml };
    send({ id: message.id, result: message.params.items.map((item) => parts[item.section] ?? null) });
  } else if (message.id !== undefined) {
    send({ id: message.id, result: null });
  } else if (message.method === "textDocument/publishDiagnostics") {
    shown.get(message.params.uri)?.(message.params.diagnostics);
  }
}

let waiting = Buffer.alloc(0);
server.stdout.on("data", (bytes) => {
  waiting = Buffer.concat([waiting, bytes]);
  for (;;) {
    const end = waiting.indexOf("\r\n\r\n");
    const length = end < 0 ? NaN : Number(/Content-Length: (\d+)/i.exec(waiting.subarray(0, end))[1]);
    if (!(waiting.length >= end + 4 + length)) return;
    const body = waiting.subarray(end + 4, end + 4 + length);
    waiting = waiting.subarray(end + 4 + length);
    receive(JSON.parse(body.toString()));
  }
});

const words = (hover) => (typeof hover?.contents === "string" ? hover.contents : (hover?.contents?.value ?? ""));

async function ask({ file, text, line, character }) {
  const uri = pathToFileURL(join(project, file)).href;
  const told = new Promise((resolve) => shown.set(uri, resolve));
  send({ method: "textDocument/didOpen", params: { textDocument: { uri, languageId: "yaml", version: 1, text } } });
  const diagnostics = await told;
  const place = { textDocument: { uri }, position: { line: line ?? 0, character: character ?? 0 } };
  const completion = await request("textDocument/completion", place);
  const hover = await request("textDocument/hover", place);
  send({ method: "textDocument/didClose", params: { textDocument: { uri } } });
  return {
    errors: diagnostics.map(({ range, message }) => `${range.start.line}:${range.start.character} ${message}`),
    completion: (completion?.items ?? completion ?? []).map((item) => item.label),
    hover: words(hover),
  };
}

await request("initialize", {
  processId: process.pid,
  rootUri: root,
  workspaceFolders: [{ uri: root, name: "project" }],
  capabilities: { workspace: { configuration: true, workspaceFolders: true }, textDocument: { hover: { contentFormat: ["markdown"] } } },
});
send({ method: "initialized", params: {} });
send({ method: "workspace/didChangeConfiguration", params: { settings: { yaml } } });
const found = [];
for (const question of questions) found.push(await ask(question));
process.stdout.write(JSON.stringify(found));
server.kill();
process.exit(0);
