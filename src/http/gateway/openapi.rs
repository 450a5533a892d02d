//! `/openapi.json`: the OpenAPI 3.1 document of the gateway, made from the table of its endpoints.
//!
//! Invariant: a path is in the document if and only if it is served.

use super::answer::Answer;
use super::endpoints::{ENDPOINTS, Endpoint, Kind, Place, Verb};
use super::{App, BELOW, admit};
use crate::config::Scope;
use axum::extract::{Request, State};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Info, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, RefOr, Required,
    ResponseBuilder,
};

pub(super) async fn show(State(app): State<App>, request: Request) -> Result<Answer, Answer> {
    let (parts, _) = request.into_parts();
    admit(&app, &parts, Scope::Read)?;
    let document = serde_json::to_value(document()).map_err(|error| Answer::store(&error.into()))?;
    Ok(Answer::json(200, &document))
}

/// The document; made anew each time it is asked for, which is seldom.
fn document() -> OpenApi {
    let add = |paths: PathsBuilder, endpoint: &Endpoint| {
        let operation = operation(endpoint).build();
        paths.path(format!("{BELOW}{}", endpoint.path), PathItem::new(method(endpoint.verb), operation))
    };
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let mut info = Info::new("relance gateway", env!("CARGO_PKG_VERSION"));
    info.description = Some("The Callbell API, through relance: sends are durable, judged and retried.".to_owned());
    OpenApiBuilder::new()
        .info(info)
        .paths(ENDPOINTS.iter().fold(PathsBuilder::new(), add))
        .components(Some(ComponentsBuilder::new().security_scheme("token", bearer).build()))
        .security(Some([SecurityRequirement::new("token", Vec::<String>::new())]))
        .build()
}

fn operation(endpoint: &Endpoint) -> OperationBuilder {
    let served = if endpoint.is_own() { "Answered by relance." } else { "Passed on to the account." };
    let scope = format!("{served} Scope: `{}`.", endpoint.scope.as_str());
    let in_path = endpoint.path_parameters().map(|name| parameter(name, ParameterIn::Path, Kind::Text, true, ""));
    let in_query = endpoint.parameters.iter().filter(|parameter| parameter.place == Place::Query);
    let in_query = in_query.map(|one| parameter(one.name, ParameterIn::Query, one.kind, one.needed, one.note));
    let key = endpoint.scope == Scope::Send;
    let key = key
        .then(|| parameter("Idempotency-Key", ParameterIn::Header, Kind::Text, false, "names the message for 30 days"));
    let operation = OperationBuilder::new()
        .operation_id(Some(id_of(endpoint)))
        .summary(Some(endpoint.summary))
        .description(Some(scope))
        .parameters(Some(in_path.chain(in_query).chain(key)))
        .request_body(endpoint.has_body().then(|| body(endpoint)));
    answers(endpoint).into_iter().fold(operation, |operation, (status, text)| {
        let response = ResponseBuilder::new().description(text);
        let json = status != "204";
        let content = || ContentBuilder::new().schema(Some(ObjectBuilder::new())).build();
        let response = if json { response.content("application/json", content()) } else { response };
        operation.response(status, response.build())
    })
}

fn answers(endpoint: &Endpoint) -> Vec<(&'static str, &'static str)> {
    let done = match endpoint.path.starts_with("/messages") && endpoint.verb == Verb::Delete {
        true => ("204", "Done"),
        false => ("200", "Done"),
    };
    let faults = [
        ("400", "A field is faulty: all of them are named"),
        ("401", "No token, or a wrong one"),
        ("403", "The token lacks the scope"),
        ("404", "Not found"),
        ("422", "Something it refers to does not exist, or the window is closed"),
        ("429", "Too many requests: `Retry-After` says when to ask again"),
        ("503", "Nothing was kept: `Retry-After` says when to send it again"),
    ];
    std::iter::once(done).chain(faults).collect()
}

fn parameter(name: &str, place: ParameterIn, kind: Kind, needed: bool, note: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required(needed))
        .description(Some(note).filter(|note| !note.is_empty()))
        .schema(Some(schema(kind, "")))
        .build()
}

fn body(endpoint: &Endpoint) -> RequestBody {
    let fields = || endpoint.parameters.iter().filter(|parameter| parameter.place == Place::Body);
    let object = fields().fold(ObjectBuilder::new(), |object, field| {
        let object = object.property(field.name, schema(field.kind, field.note));
        if field.needed { object.required(field.name) } else { object }
    });
    let needed = fields().any(|field| field.needed);
    let content = ContentBuilder::new().schema(Some(object)).build();
    RequestBodyBuilder::new().required(Some(required(needed))).content("application/json", content).build()
}

fn schema(kind: Kind, note: &str) -> RefOr<Schema> {
    let of = |one: Type| ObjectBuilder::new().schema_type(one).description(Some(note).filter(|note| !note.is_empty()));
    match kind {
        Kind::Text => of(Type::String).into(),
        Kind::Flag => of(Type::Boolean).into(),
        Kind::Number => of(Type::Integer).into(),
        Kind::Object => of(Type::Object).into(),
        Kind::List => ArrayBuilder::new().items(ObjectBuilder::new().schema_type(Type::String)).into(),
    }
}

fn required(needed: bool) -> Required {
    if needed { Required::True } else { Required::False }
}

fn method(verb: Verb) -> HttpMethod {
    match verb {
        Verb::Get => HttpMethod::Get,
        Verb::Post => HttpMethod::Post,
        Verb::Put => HttpMethod::Put,
        Verb::Patch => HttpMethod::Patch,
        Verb::Delete => HttpMethod::Delete,
    }
}

/// `get_contacts_uuid_bot`: unique, and the same in every release.
fn id_of(endpoint: &Endpoint) -> String {
    let words = endpoint.path.split(['/', '{', '}']).filter(|word| !word.is_empty());
    let verb = endpoint.verb.method().as_str().to_lowercase();
    std::iter::once(verb.as_str()).chain(words).collect::<Vec<_>>().join("_")
}
