//! Errors in the form the Cloud API gives them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status it comes with.
    pub http_status: u16,
    /// The number to decide by.
    pub code: i64,
    /// What is wrong, for people.
    pub details: String,
}

impl ApiError {
    /// An error with the HTTP status its code usually has.
    pub fn new(code: i64, details: impl Into<String>) -> Self {
        Self { http_status: usual_status(code), code, details: details.into() }
    }

    /// `100`: a parameter that is not one, or has the wrong form.
    pub fn invalid(details: impl Into<String>) -> Self {
        Self::new(100, details)
    }

    /// `131008`: a parameter that is missing.
    pub fn missing(parameter: &str) -> Self {
        Self::new(131008, format!("Required parameter is missing: {parameter}"))
    }

    /// `131009`: a value that is not allowed.
    pub fn value(details: impl Into<String>) -> Self {
        Self::new(131009, details)
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        json!({ "error": {
            "message": format!("(#{}) {}", self.code, title(self.code)),
            "type": "OAuthException",
            "code": self.code,
            "error_data": { "messaging_product": "whatsapp", "details": self.details },
            "fbtrace_id": format!("A{}", &uuid::Uuid::new_v4().simple().to_string()[..20]),
        }})
    }

    /// The same error as a `failed` status reports it.
    pub fn in_status(&self) -> Value {
        let title = title(self.code);
        json!({
            "code": self.code, "title": title, "message": title,
            "error_data": { "details": self.details },
            "href": "/documentation/business-messaging/whatsapp/support/error-codes"
        })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.http_status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, Json(self.body())).into_response()
    }
}

fn usual_status(code: i64) -> u16 {
    match code {
        0 | 190 => 401,
        3 | 10 | 200..=299 | 368 | 131005 | 131031 => 403,
        4 | 80007 | 130429 | 131048 | 131056 => 429,
        1 | 131000 => 500,
        2 | 131016 | 133004 => 503,
        _ => 400,
    }
}

fn title(code: i64) -> &'static str {
    match code {
        0 | 190 => "Access token is invalid or has expired",
        1 => "An unknown error occurred",
        2 | 131016 => "Service unavailable",
        4 => "Application request limit reached",
        33 => "Object does not exist or cannot be accessed",
        100 => "Invalid parameter",
        130429 => "Rate limit hit",
        131000 => "Something went wrong",
        131008 => "Required parameter is missing",
        131009 => "Parameter value is not valid",
        131021 => "Recipient cannot be sender",
        131026 => "Message undeliverable",
        131030 => "Recipient phone number not in allowed list",
        131047 => "Re-engagement message",
        131048 => "Spam rate limit hit",
        131051 => "Unsupported message type",
        131056 => "Pair rate limit hit",
        132000 => "Number of parameters does not match the expected number of params",
        132001 => "Template name does not exist in the translation",
        132015 => "Template is paused",
        132016 => "Template is disabled",
        132018 => "Template parameter has an invalid format",
        _ => "Error",
    }
}
