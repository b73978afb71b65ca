//! Bodies and parameters, read so that whatever is wrong with them is a problem of the API's own shape.

use axum::{
    extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request, rejection::JsonRejection},
    http::{StatusCode, header, request::Parts},
};
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use crate::ApiError;

/// Items of a page when the caller does not say.
const PAGE: i64 = 20;
/// Items of a page at most.
const PAGE_MAX: i64 = 100;

/// A JSON body.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match <axum::Json<T> as FromRequest<S>>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(json_error(&rejection)),
        }
    }
}

/// A body that may be missing altogether.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, ApiError> {
        if !request.headers().contains_key(header::CONTENT_TYPE) {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

fn json_error(rejection: &JsonRejection) -> ApiError {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            ApiError::UnsupportedMediaType("send a body of type `application/json`".into())
        }
        JsonRejection::JsonDataError(error) => ApiError::Invalid(error.body_text()),
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge,
        other => ApiError::Malformed(other.body_text()),
    }
}

/// Parameters after the question mark.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError::Malformed(rejection.body_text())),
        }
    }
}

/// The variable part of a path. What cannot be such a thing's name is not found.
#[derive(Debug, Clone)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(_) => Err(ApiError::NotFound("thing")),
        }
    }
}

/// Which page.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// How many, 1 to 100; 20 when absent.
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: Option<i64>,
}

impl PageQuery {
    /// How many items, or what is wrong with the wish.
    pub fn limit(&self) -> Result<i64, ApiError> {
        match self.limit {
            None => Ok(PAGE),
            Some(limit @ 1..=PAGE_MAX) => Ok(limit),
            Some(_) => Err(ApiError::Invalid(format!("`limit` must be between 1 and {PAGE_MAX}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Say {
        #[allow(dead_code, reason = "only its parsing matters here")]
        text: String,
    }

    async fn read(media: Option<&str>, body: &'static [u8]) -> Result<Say, ApiError> {
        let mut request = Request::builder().method("POST");
        if let Some(media) = media {
            request = request.header("content-type", media);
        }
        let request = request.body(Body::from(body)).expect("a request");
        <Json<Say> as FromRequest<()>>::from_request(request, &()).await.map(|json| json.0)
    }

    #[tokio::test]
    async fn each_kind_of_bad_body_has_its_own_status() {
        let json = Some("application/json");
        let cases: [(Option<&str>, &'static [u8], u16); 7] = [
            (json, b"{\"text\": \"oi\"}", 200),
            (Some("application/json; charset=utf-8"), b"{\"text\": \"oi\"}", 200),
            (json, b"{\"text\": \"oi", 400),
            (json, b"{\"text\": \"\xff\xfe\"}", 400),
            (json, b"{\"text\": 5}", 422),
            (json, b"{}", 422),
            (Some("text/plain"), b"{\"text\": \"oi\"}", 415),
        ];
        for (media, body, status) in cases {
            let got = read(media, body).await.map_or_else(|error| error.status().as_u16(), |_| 200);
            assert_eq!(got, status, "{:?}", String::from_utf8_lossy(body));
        }
        assert_eq!(read(None, b"{}").await.map(|_| ()), Err(json_type()));
    }

    fn json_type() -> ApiError {
        ApiError::UnsupportedMediaType("send a body of type `application/json`".into())
    }

    #[test]
    fn a_page_has_between_1_and_100_items() {
        let limit = |limit| PageQuery { cursor: None, limit }.limit().ok();
        assert_eq!(limit(None), Some(20));
        assert_eq!(limit(Some(100)), Some(100));
        assert_eq!(limit(Some(0)), None);
        assert_eq!(limit(Some(101)), None);
        assert_eq!(limit(Some(-1)), None);
    }
}
