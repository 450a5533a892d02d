// Reads YAML as editors do (version 1.2) and holds it against a JSON Schema, with the libraries that the language
// server brings: ajv in its strict reading of draft-07, and yaml.
//
// node validate.mjs <folder of the server's package> < { "schemas": { name: schema }, "files": [{ schema, path, text }] }
//
// Prints { path: [what is wrong] }; empty = fine.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "node_modules/yaml-language-server/package.json"));
const { parse } = require("yaml");
const Ajv = require("ajv").default;

const { schemas, files } = JSON.parse(readFileSync(0, "utf8"));
const ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false, allowUnionTypes: true });
const checks = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, ajv.compile(schema)]));

function wrong({ schema, text }) {
  let value;
  try {
    value = parse(text, { uniqueKeys: true });
  } catch (error) {
    return [`no YAML: ${error.message}`];
  }
  const check = checks[schema];
  return check(value) ? [] : check.errors.map((error) => `${error.instancePath || "/"} ${error.message} ${JSON.stringify(error.params)}`);
}

process.stdout.write(JSON.stringify(Object.fromEntries(files.map((file) => [file.path, wrong(file)]))));
