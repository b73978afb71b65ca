//! Brings a database to the shape this program expects, and says who the server is to be in it.
//!
//! Whoever's Postgres it is, three roles take part: the operator's user of `DATABASE_URL`, who may do anything;
//! `balcao_owner`, as whom the migrations run and who owns the result; and `balcao_app`, as whom the server logs in. The
//! server really logs in as it (no SET ROLE that a RESET ROLE would undo): its password is derived from the
//! keyring, so that every node of an installation knows it and nobody has to keep it. Two installations with different
//! keys do not fit into one cluster for that reason; give the second one a URL of a runtime role of its own.

use balcao_domain::text;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sqlx::{Connection, Executor, PgConnection, migrate::Migrator};

use crate::{StoreError, dsn, keyring::Keyring, scram};

/// The oldest Postgres that will do (`pg_has_role(…, 'set')`, grant rules of 16). 18 is what we test with.
pub const MIN_POSTGRES: u32 = 160_000;
/// The oldest pgvector that will do: 0.8.2 to 0.8.4 fixed an overflow, index corruption and vacuum errors.
pub const MIN_PGVECTOR: [u32; 3] = [0, 8, 4];
/// The server's own role.
pub const RUNTIME_ROLE: &str = "balcao_app";
/// The role that owns tables and functions.
pub const OWNER_ROLE: &str = "balcao_owner";

/// The extensions the schema uses; one a line.
const EXTENSIONS: &str = include_str!("extensions.txt");
const ROLES: &str = include_str!("roles.sql");

pub(crate) static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The migrations that were applied now, in order.
    pub applied: Vec<String>,
    /// How many had been applied before.
    pub already: usize,
    /// The server's version.
    pub postgres: String,
    /// The extension's version.
    pub pgvector: String,
}

/// Why a database cannot be used. Each says in one line what to do.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Nobody answers, or not us.
    #[error("cannot connect to the database: {0}")]
    Unreachable(String),
    /// The server is too old.
    #[error("Postgres {found} is too old: use Postgres 16 or newer (18 is recommended)")]
    OldPostgres { found: String },
    /// The extension is missing on the server's machine.
    #[error(
        "the extension `{0}` is not installed on the database server: install it there (package of pgvector or postgresql-contrib)"
    )]
    NoExtension(String),
    /// The extension needs a superuser's hand.
    #[error(
        "the database user may not create the extension `{0}`: run `create extension {0}` in this database as a superuser"
    )]
    ExtensionForbidden(String),
    /// The extension is too old.
    #[error(
        "pgvector {found} is too old: install 0.8.4 or newer on the database server, then run `alter extension vector update`"
    )]
    OldPgvector { found: String },
    /// The roles could not be made.
    #[error(
        "the database user may not prepare the roles `balcao_owner` and `balcao_app` ({0}): use a superuser, or the owner of the database with CREATEROLE"
    )]
    Roles(String),
    /// The server's role cannot log in.
    #[error(
        "`balcao_app` cannot log in ({0}): allow it in pg_hba.conf with scram-sha-256, or set the URL of a runtime role of your own"
    )]
    Login(String),
    /// A newer program was here.
    #[error(
        "the database was migrated by a newer version of balcao (`{0}` is unknown here): update this program"
    )]
    Newer(String),
    /// A migration failed; nothing of it was kept.
    #[error("a migration failed and was rolled back: {0}")]
    Failed(String),
}

impl From<StoreError> for MigrateError {
    fn from(error: StoreError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

/// Brings the database to the current shape. Harmless when it has it already; several nodes may do it at once.
pub async fn migrate(admin_url: &str) -> Result<Report, MigrateError> {
    let mut connection = connect(admin_url).await?;
    let postgres = check_postgres(&mut connection).await?;
    let pgvector = create_extensions(&mut connection).await?;
    connection.execute(ROLES).await.map_err(|e| MigrateError::Roles(brief(&e)))?;

    let before = applied(&mut connection).await?;
    if let Some(unknown) = before.iter().find(|version| !MIGRATOR.version_exists(**version)) {
        return Err(MigrateError::Newer(unknown.to_string()));
    }
    connection.execute("set role balcao_owner").await.map_err(|e| MigrateError::Roles(brief(&e)))?;
    MIGRATOR
        .run_direct(None, &mut connection, false)
        .await
        .map_err(|e| MigrateError::Failed(e.to_string()))?;
    // What the start-up check reads.
    connection
        .execute("grant select on _sqlx_migrations to balcao_app")
        .await
        .map_err(|e| MigrateError::Failed(brief(&e)))?;
    let _ = connection.close().await;

    let applied = MIGRATOR
        .iter()
        .filter(|migration| !before.contains(&migration.version))
        .map(|migration| format!("{} {}", migration.version, migration.description))
        .collect();
    Ok(Report { applied, already: before.len(), postgres, pgvector })
}

/// The migrations that [`migrate`] would apply now, in order.
pub async fn pending(url: &str) -> Result<Vec<String>, MigrateError> {
    let mut connection = connect(url).await?;
    let done = applied(&mut connection).await?;
    let _ = connection.close().await;
    Ok(MIGRATOR
        .iter()
        .filter(|migration| !done.contains(&migration.version))
        .map(|migration| format!("{} {}", migration.version, migration.description))
        .collect())
}

/// The URL the server connects with, to the database of `url`. A user that neither owns nor bypasses anything is taken as
/// it is; for anybody mightier it is `balcao_app`, whose password is set from the keyring if it has another one.
pub async fn runtime_url(url: &str, keyring: &Keyring) -> Result<String, MigrateError> {
    let mut connection = connect(url).await?;
    let mighty: bool = sqlx::query_scalar(
        "select r.rolsuper or r.rolbypassrls or r.rolcreaterole
             or coalesce(pg_has_role(r.rolname, (select oid from pg_roles where rolname = 'balcao_owner'), 'member'), false)
         from pg_roles r where r.rolname = session_user",
    )
    .fetch_one(&mut connection)
    .await
    .map_err(|e| MigrateError::Unreachable(brief(&e)))?;
    if !mighty {
        return Ok(url.to_owned());
    }
    let password = keyring.derive("runtime role");
    let runtime = dsn::as_user(url, RUNTIME_ROLE, Some(&password))?;
    if connect(&runtime).await.is_err() {
        set_password(&mut connection, &password).await?;
        connect(&runtime).await.map_err(|e| MigrateError::Login(e.to_string()))?;
    }
    Ok(runtime)
}

/// Sets the role's password without the server ever seeing (or logging) it: only its verifier travels.
async fn set_password(connection: &mut PgConnection, password: &SecretString) -> Result<(), MigrateError> {
    let verifier = scram::verifier(password.expose_secret());
    // The verifier is made of letters, digits and `+/=$:-`: nothing to escape.
    let statement = format!("alter role {RUNTIME_ROLE} login password '{verifier}'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
        .execute(connection)
        .await
        .map_err(|e| MigrateError::Roles(brief(&e)))?;
    Ok(())
}

async fn connect(url: &str) -> Result<PgConnection, MigrateError> {
    let options = dsn::parse(url)?;
    PgConnection::connect_with(&options).await.map_err(|e| MigrateError::Unreachable(brief(&e)))
}

async fn check_postgres(connection: &mut PgConnection) -> Result<String, MigrateError> {
    let (number, found): (i32, String) = sqlx::query_as(
        "select current_setting('server_version_num')::int, current_setting('server_version')",
    )
    .fetch_one(connection)
    .await
    .map_err(|e| MigrateError::Unreachable(brief(&e)))?;
    if u32::try_from(number).unwrap_or(0) < MIN_POSTGRES {
        return Err(MigrateError::OldPostgres { found });
    }
    Ok(found)
}

async fn create_extensions(connection: &mut PgConnection) -> Result<String, MigrateError> {
    for extension in EXTENSIONS.split_whitespace() {
        let (available, installed): (bool, bool) = sqlx::query_as(
            "select exists (select from pg_available_extensions where name = $1),
                    exists (select from pg_extension where extname = $1)",
        )
        .bind(extension)
        .fetch_one(&mut *connection)
        .await
        .map_err(|e| MigrateError::Unreachable(brief(&e)))?;
        if installed {
            continue;
        }
        if !available {
            return Err(MigrateError::NoExtension(extension.to_owned()));
        }
        // The names are our own.
        let create = format!("create extension if not exists {extension}");
        if sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut *connection).await.is_err() {
            return Err(MigrateError::ExtensionForbidden(extension.to_owned()));
        }
    }
    let version = pgvector_version(connection).await?;
    if !is_recent(&version) {
        // The server may have a newer one lying ready.
        let _ = connection.execute("alter extension vector update").await;
        let version = pgvector_version(connection).await?;
        if !is_recent(&version) {
            return Err(MigrateError::OldPgvector { found: version });
        }
        return Ok(version);
    }
    Ok(version)
}

async fn pgvector_version(connection: &mut PgConnection) -> Result<String, MigrateError> {
    sqlx::query_scalar("select extversion from pg_extension where extname = 'vector'")
        .fetch_one(connection)
        .await
        .map_err(|e| MigrateError::Unreachable(brief(&e)))
}

/// Whether a pgvector version (`0.8.6`) is one we can trust.
pub(crate) fn is_recent(version: &str) -> bool {
    let mut parts = [0; 3];
    for (part, text) in parts.iter_mut().zip(version.split('.')) {
        *part = text.parse().unwrap_or(0);
    }
    parts >= MIN_PGVECTOR
}

/// The versions that were applied; none when the ledger itself is not there.
pub(crate) async fn applied(connection: &mut PgConnection) -> Result<Vec<i64>, MigrateError> {
    let ledger: Option<String> = sqlx::query_scalar("select to_regclass('public._sqlx_migrations')::text")
        .fetch_one(&mut *connection)
        .await
        .map_err(|e| MigrateError::Unreachable(brief(&e)))?;
    if ledger.is_none() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("select version from public._sqlx_migrations where success order by version")
        .fetch_all(connection)
        .await
        .map_err(|e| MigrateError::Unreachable(brief(&e)))
}

/// The database's own words, on one line.
fn brief(error: &sqlx::Error) -> String {
    let words = match error {
        sqlx::Error::Database(e) => e.message().to_owned(),
        other => other.to_string(),
    };
    text::clean(&words.replace('\n', " "), 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_pgvector_are_compared_as_numbers() {
        for (version, recent) in [
            ("0.8.3", false),
            ("0.8.4", true),
            ("0.8.10", true),
            ("0.10.0", true),
            ("1.0", true),
            ("0.8", false),
        ] {
            assert_eq!(is_recent(version), recent, "{version}");
        }
    }
}
