//! What every operation of the API's description has in common, said once: an id of its own, and how it fails.

use utoipa::openapi::{
    Content, OpenApi, Ref, RefOr, Response,
    path::{Operation, PathItem},
};

/// Gives every operation an id (its method and path, so that no two share one) and the shape of its errors.
pub fn complete(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(id(method, path));
            operation
                .responses
                .responses
                .entry("default".to_owned())
                .or_insert_with(|| RefOr::T(failure(path)));
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("delete", &mut item.delete),
        ("patch", &mut item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// `get /v1/admin/dead-letters/{id}` becomes `get_admin_dead_letters_id`.
fn id(method: &str, path: &str) -> String {
    let words = path.trim_start_matches("/v1").split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).fold(method.to_owned(), |id, word| id + "_" + word)
}

/// Every error of a route has one shape: a problem (RFC 9457), or OpenAI's own.
fn failure(path: &str) -> Response {
    let openai = path.starts_with("/v1/chat/") || path.starts_with("/v1/models");
    let (media, content) = match openai {
        true => ("application/json", Content::new::<RefOr<utoipa::openapi::Schema>>(None)),
        false => ("application/problem+json", Content::new(Some(Ref::from_schema_name("Problem")))),
    };
    let mut response = Response::new("An error: see `code` for what to do about it");
    response.content.insert(media.to_owned(), content);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operations_id_is_its_method_and_path() {
        assert_eq!(id("get", "/v1/admin/dead-letters/{id}"), "get_admin_dead_letters_id");
        assert_eq!(id("post", "/v1/chat/completions"), "post_chat_completions");
    }
}
