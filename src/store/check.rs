//! What must be true of the database before the server serves, whoever's Postgres it is.
//!
//! All of it is asked over the server's own connection: what matters is what that role could do. The wall between
//! shops stands on these facts; when one of them is not so, the only safe thing is not to serve.

use serde::Serialize;
use sqlx::{PgConnection, Row};

use crate::{
    Store, StoreError,
    migrate::{self, MIGRATOR, MIN_POSTGRES},
};

/// Something that keeps the server from serving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// The predicate of the tenant wall, as Postgres writes it back.
const WALL: &str =
    "(tenant_id = ( SELECT (current_setting('app.tenant_id'::text))::uuid AS current_setting))";

/// Everything that is wrong; empty means that the server may serve.
pub async fn check(store: &Store) -> Result<Vec<Problem>, StoreError> {
    let mut lease = store.lease().await?;
    let mut problems = Vec::new();
    version(&mut lease, &mut problems).await?;
    role(&mut lease, &mut problems).await?;
    walls(&mut lease, &mut problems).await?;
    pgvector(&mut lease, &mut problems).await?;
    migrations(&mut lease, &mut problems).await?;
    lease.done();
    Ok(problems)
}

fn problem(problems: &mut Vec<Problem>, what: impl Into<String>, remedy: impl Into<String>) {
    problems.push(Problem { what: what.into(), remedy: remedy.into() });
}

async fn version(connection: &mut PgConnection, problems: &mut Vec<Problem>) -> Result<(), StoreError> {
    let row =
        sqlx::query("select current_setting('server_version_num')::int, current_setting('server_version')")
            .fetch_one(connection)
            .await?;
    if u32::try_from(row.try_get::<i32, _>(0)?).unwrap_or(0) < MIN_POSTGRES {
        let found: String = row.try_get(1)?;
        problem(
            problems,
            format!("Postgres {found} is too old"),
            "use Postgres 16 or newer (18 is recommended)",
        );
    }
    Ok(())
}

/// The session's user counts as much as the current one: what SET ROLE took away, RESET ROLE gives back.
async fn role(connection: &mut PgConnection, problems: &mut Vec<Problem>) -> Result<(), StoreError> {
    let roles = sqlx::query(
        "select rolname::text, rolsuper, rolbypassrls, rolcreaterole from pg_roles
         where rolname in (current_user, session_user)
            or pg_has_role(session_user, oid, 'member') and (rolsuper or rolbypassrls)",
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in roles {
        let name: String = row.try_get(0)?;
        for (at, can) in [(1, "is a superuser"), (2, "bypasses row security"), (3, "may create roles")] {
            if row.try_get::<bool, _>(at)? {
                problem(
                    problems,
                    format!("the server's role `{name}` {can}"),
                    "connect the server as `balcao_app`; `balcao migrate` makes that role",
                );
            }
        }
    }
    let owned: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c
         join pg_namespace n on n.oid = c.relnamespace
         where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
           and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
           and pg_has_role(session_user, c.relowner, 'member')
         order by 1",
    )
    .fetch_all(connection)
    .await?;
    if let Some(first) = owned.first() {
        problem(
            problems,
            format!(
                "the server's role owns {} tables or may become their owner, `{first}` for one",
                owned.len()
            ),
            "connect the server as `balcao_app`, which owns nothing and is a member of nothing",
        );
    }
    Ok(())
}

async fn walls(connection: &mut PgConnection, problems: &mut Vec<Problem>) -> Result<(), StoreError> {
    let tables = sqlx::query(
        "select c.oid::regclass::text, c.relrowsecurity and c.relforcerowsecurity
         from pg_class c
         join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
           and exists (select from pg_attribute a
                       where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
         order by 1",
    )
    .fetch_all(&mut *connection)
    .await?;
    // Policies that apply to us: exactly one a table, and it is the wall. Permissive policies are alternatives,
    // so one more of them is a hole.
    let policies = sqlx::query(
        "select p.polrelid::regclass::text, p.polname::text,
                p.polcmd = '*' and pg_get_expr(p.polqual, p.polrelid) = $1
                  and coalesce(pg_get_expr(p.polwithcheck, p.polrelid) = $1, false)
         from pg_policy p
         where exists (select from unnest(p.polroles) r where r = 0 or pg_has_role(session_user, r, 'member'))",
    )
    .bind(WALL)
    .fetch_all(connection)
    .await?;
    for row in tables {
        let table: String = row.try_get(0)?;
        let remedy =
            format!("run `balcao migrate`; if that does not help, repair the policies of `{table}` by hand");
        if !row.try_get::<bool, _>(1)? {
            problem(problems, format!("row security is not enabled and forced on `{table}`"), &remedy);
        }
        let mut walls = 0;
        for policy in &policies {
            if policy.try_get::<String, _>(0)? != table {
                continue;
            }
            walls += 1;
            if !policy.try_get::<Option<bool>, _>(2)?.unwrap_or(false) {
                let name: String = policy.try_get(1)?;
                problem(
                    problems,
                    format!("the policy `{name}` of `{table}` is not the tenant wall"),
                    &remedy,
                );
            }
        }
        if walls != 1 {
            problem(problems, format!("`{table}` has {walls} policies where one is expected"), &remedy);
        }
    }
    Ok(())
}

async fn pgvector(connection: &mut PgConnection, problems: &mut Vec<Problem>) -> Result<(), StoreError> {
    let version: Option<String> =
        sqlx::query_scalar("select extversion from pg_extension where extname = 'vector'")
            .fetch_optional(connection)
            .await?;
    match version {
        None => problem(problems, "pgvector is not installed in this database", "run `balcao migrate`"),
        Some(version) if !migrate::is_recent(&version) => problem(
            problems,
            format!("pgvector {version} is too old"),
            "install 0.8.4 or newer on the database server, then run `alter extension vector update`",
        ),
        Some(_) => {}
    }
    Ok(())
}

async fn migrations(connection: &mut PgConnection, problems: &mut Vec<Problem>) -> Result<(), StoreError> {
    let ledger: Option<String> = sqlx::query_scalar("select to_regclass('public._sqlx_migrations')::text")
        .fetch_one(&mut *connection)
        .await?;
    let applied: Vec<(i64, Vec<u8>)> = match ledger {
        None => Vec::new(),
        Some(_) => {
            sqlx::query_as(
                "select version, checksum from public._sqlx_migrations where success order by version",
            )
            .fetch_all(connection)
            .await?
        }
    };
    let missing =
        MIGRATOR.iter().filter(|m| !applied.iter().any(|(version, _)| *version == m.version)).count();
    if missing > 0 {
        problem(problems, format!("{missing} migrations have not been applied"), "run `balcao migrate`");
    }
    for (version, checksum) in &applied {
        match MIGRATOR.iter().find(|migration| migration.version == *version) {
            None => problem(
                problems,
                format!("the database has the migration {version}, which this program does not know"),
                "update this program",
            ),
            Some(migration) if migration.checksum.as_ref() != checksum.as_slice() => problem(
                problems,
                format!("the migration {version} was changed after it had been applied"),
                "use the release of balcao that migrated this database, or a newer one",
            ),
            Some(_) => {}
        }
    }
    Ok(())
}
