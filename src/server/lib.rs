//! axum: routes, extractors, errors, telemetry.
