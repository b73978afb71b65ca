//! The hands of the operator and of tests: databases made and dropped, statements of one's own. Not for the server,
//! which has no business outside a tenant transaction.

use balcao_domain::TenantId;
use sqlx::{Connection, PgConnection, Row, ValueRef, postgres::PgRow};

use crate::{Store, StoreError, dsn};

/// What the database said no with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct Refusal {
    /// The SQLSTATE; empty when it was not the database that spoke.
    pub code: String,
    pub message: String,
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(e) => {
                Self { code: e.code().unwrap_or_default().into_owned(), message: e.message().to_owned() }
            }
            _ => Self { code: String::new(), message: error.to_string() },
        }
    }
}

/// A plain connection.
#[derive(Debug)]
pub struct Admin {
    connection: PgConnection,
}

impl Admin {
    /// Connects as whoever the URL says.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Ok(Self { connection: PgConnection::connect_with(&dsn::parse(url)?).await? })
    }

    /// Runs statements; how many rows they touched.
    pub async fn execute(&mut self, sql: &str) -> Result<u64, Refusal> {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut self.connection).await?;
        Ok(done.rows_affected())
    }

    /// The rows of a query, every value as text.
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Refusal> {
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.connection).await?;
        rows.iter().map(|row| Ok(texts(row)?)).collect()
    }

    /// The first value of the first row.
    pub async fn value(&mut self, sql: &str) -> Result<Option<String>, Refusal> {
        Ok(self.rows(sql).await?.into_iter().next().and_then(|row| row.into_iter().next().flatten()))
    }

    /// Ends the connection and waits until the server knows.
    pub async fn close(self) {
        let _ = self.connection.close().await;
    }
}

fn texts(row: &PgRow) -> Result<Vec<Option<String>>, sqlx::Error> {
    (0..row.len())
        .map(|at| {
            let value = row.try_get_raw(at)?;
            if value.is_null() {
                return Ok(None);
            }
            value.as_str().map(|text| Some(text.to_owned())).map_err(sqlx::Error::Decode)
        })
        .collect()
}

/// The URL of another database on the same server.
pub fn url_of_database(url: &str, database: &str) -> Result<String, StoreError> {
    dsn::with_database(url, database)
}

/// What the next borrower of a connection finds: whether the session is clean, and the tenant it knows.
pub async fn examine(store: &Store) -> Result<(bool, String), StoreError> {
    let mut lease = store.lease().await?;
    let rows = sqlx::raw_sql(
        "select now() = statement_timestamp(), coalesce(current_setting('app.tenant_id', true), '')",
    )
    .fetch_all(&mut *lease)
    .await?;
    lease.done();
    let row = rows.first().ok_or(StoreError::NotFound)?;
    let tenant: String = row.try_get(1)?;
    Ok((row.try_get::<bool, _>(0)? && tenant.is_empty(), tenant))
}

/// Puts a connection back into the pool as a cancelled BEGIN of sqlx 0.9.0 does: inside a transaction, with a tenant.
pub async fn poison(store: &Store, tenant_id: TenantId) -> Result<(), StoreError> {
    let mut lease = store.lease().await?;
    let begin = format!("begin; select set_config('app.tenant_id', '{}', true)", tenant_id.as_uuid());
    sqlx::raw_sql(sqlx::AssertSqlSafe(begin)).execute(&mut *lease).await?;
    lease.done();
    Ok(())
}
