//! One operation of the document, put together piece by piece.

use serde_json::{Map, Value, json};

use super::faults;
use crate::http::problem::Code;

/// An operation.
#[derive(Debug, Clone)]
pub struct Operation {
    value: Value,
    keyed: bool,
}

/// A reference to a schema.
pub fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn headers(names: &[&str]) -> Value {
    let of = |name: &&str| {
        let reference = json!({"$ref": format!("#/components/headers/{name}")});
        ((*name).to_owned(), reference)
    };
    Value::Object(names.iter().map(of).collect())
}

impl Operation {
    /// An operation that needs a key.
    pub fn new(tag: &str, id: &str, summary: &str, description: &str) -> Self {
        Self {
            value: json!({
                "tags": [tag], "operationId": id, "summary": summary, "description": description, "responses": {},
            }),
            keyed: true,
        }
    }

    /// It needs none.
    pub fn open(mut self) -> Self {
        self.keyed = false;
        self.value["security"] = json!([]);
        self
    }

    /// A parameter: where it stands (`query`, `path` or `header`), its name, schema and meaning.
    pub fn parameter(mut self, place: &str, name: &str, schema: Value, description: &str) -> Self {
        let parameter = json!({
            "in": place, "name": name, "schema": schema, "description": description, "required": place == "path",
        });
        match self.value["parameters"].as_array_mut() {
            Some(all) => all.push(parameter),
            None => self.value["parameters"] = json!([parameter]),
        }
        self
    }

    /// What it reads: a schema for each media type, and an example for those that have one.
    pub fn body<const N: usize>(mut self, media: [(&str, Value, Option<Value>); N]) -> Self {
        let content: Map<String, Value> = media
            .into_iter()
            .map(|(media, schema, example)| (media.to_owned(), content(schema, example)))
            .collect();
        self.value["requestBody"] = json!({"required": true, "content": content});
        self
    }

    /// As [`Operation::body`], where there may be none.
    pub fn optional_body<const N: usize>(self, media: [(&str, Value, Option<Value>); N]) -> Self {
        let mut operation = self.body(media);
        operation.value["requestBody"]["required"] = json!(false);
        operation
    }

    /// What it answers when all is well. `also` names headers beside those that all answers have.
    pub fn answer(
        mut self,
        status: u16,
        description: &str,
        also: &[&str],
        media: Option<(&str, Value, Option<Value>)>,
    ) -> Self {
        let mut response =
            json!({"description": description, "headers": headers(&self.names(also))});
        if let Some((media, schema, example)) = media {
            response["content"] = json!({media: content(schema, example)});
        }
        self.value["responses"][status.to_string()] = response;
        self
    }

    /// Another media type of the answer with this status.
    pub fn or(mut self, status: u16, media: &str, schema: Value) -> Self {
        self.value["responses"][status.to_string()]["content"][media] = content(schema, None);
        self
    }

    fn names<'a>(&self, also: &[&'a str]) -> Vec<&'a str> {
        let mut names = vec!["X-Request-Id"];
        if self.keyed {
            names.extend(["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]);
        }
        names.extend(also);
        names
    }

    /// The faults that it may have besides those of keys, limits and the server itself.
    pub fn problems(self, codes: &[Code]) -> Self {
        self.faults(codes, |codes| {
            let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
            let only = json!({"properties": {"code": {"enum": names}}});
            (
                "application/problem+json",
                json!({"allOf": [schema("Problem"), only]}),
                faults::problems(codes),
            )
        })
    }

    /// The same faults as clients of `POST /api/voice-detection` read them.
    pub fn errors(self, codes: &[Code]) -> Self {
        self.faults(codes, |codes| {
            (
                "application/json",
                schema("VoiceDetectionError"),
                faults::errors(codes),
            )
        })
    }

    fn faults(
        mut self,
        codes: &[Code],
        content_of: impl Fn(&[Code]) -> (&'static str, Value, Value),
    ) -> Self {
        let always: &[Code] = if self.keyed {
            &[Code::Unauthorized, Code::RateLimited, Code::Internal]
        } else {
            &[Code::Internal]
        };
        let codes: Vec<Code> = codes.iter().chain(always).copied().collect();
        let mut statuses: Vec<u16> = codes.iter().map(|code| code.status().as_u16()).collect();
        statuses.sort_unstable();
        statuses.dedup();
        for status in statuses {
            let of = |code: &&Code| code.status().as_u16() == status;
            let codes: Vec<Code> = codes.iter().filter(of).copied().collect();
            let titles: Vec<String> = codes
                .iter()
                .map(|code| format!("`{}`: {}", code.as_str(), code.title()))
                .collect();
            let also: &[&str] = match status {
                401 => &["WWW-Authenticate"],
                429 => &["Retry-After"],
                503 => &["Retry-After"],
                _ => &[],
            };
            // Who has no key has no rate either; who has a wrong one, neither.
            let names = if status == 401 {
                [&["X-Request-Id"], also].concat()
            } else {
                self.names(also)
            };
            let (media, schema, examples) = content_of(&codes);
            self.value["responses"][status.to_string()] = json!({
                "description": titles.join("; "),
                "headers": headers(&names),
                "content": {media: {"schema": schema, "examples": examples}},
            });
        }
        self
    }

    /// The JSON.
    pub fn into_value(self) -> Value {
        self.value
    }
}

fn content(schema: Value, example: Option<Value>) -> Value {
    match example {
        Some(example) => json!({"schema": schema, "example": example}),
        None => json!({"schema": schema}),
    }
}
