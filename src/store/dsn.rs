//! URLs of databases: read once, changed in their parts, never printed with their password.

use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::StoreError;

/// Reads a `postgres://` URL.
pub(crate) fn parse(url: &str) -> Result<PgConnectOptions, StoreError> {
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        return Err(StoreError::unavailable("a database URL starts with `postgres://`"));
    }
    // Its own errors may quote the URL, and with it the password.
    PgConnectOptions::from_str(url)
        .map(|options| options.application_name("balcao"))
        .map_err(|_| StoreError::unavailable("the database URL cannot be read"))
}

/// The same server and database, as somebody else.
pub(crate) fn as_user(url: &str, user: &str, password: Option<&SecretString>) -> Result<String, StoreError> {
    let unreadable = || StoreError::unavailable("the database URL cannot be read");
    let mut url = Url::parse(url).map_err(|_| unreadable())?;
    url.set_username(user).map_err(|()| unreadable())?;
    url.set_password(password.map(ExposeSecret::expose_secret)).map_err(|()| unreadable())?;
    // A user or password in the query would win.
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(key, _)| key != "user" && key != "password")
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    Ok(url.into())
}

/// The same server and user, another database.
pub(crate) fn with_database(url: &str, database: &str) -> Result<String, StoreError> {
    let mut url = Url::parse(url).map_err(|_| StoreError::unavailable("the database URL cannot be read"))?;
    url.set_path(database);
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_changes_and_the_rest_stays() {
        let changed = as_user(
            "postgres://admin:secret@db.example:6432/shop?sslmode=require&user=admin",
            "balcao_app",
            Some(&SecretString::from("p@ss/word")),
        )
        .unwrap();
        assert_eq!(changed, "postgres://balcao_app:p%40ss%2Fword@db.example:6432/shop?sslmode=require");
    }

    #[test]
    fn a_broken_url_is_refused_without_quoting_it() {
        for url in ["mysql://root:hunter2@x/y", "postgres://u:hunter2@[bad/", "hunter2"] {
            let error = parse(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
