//! The way in: a transaction that knows its tenant for exactly its own length.
//!
//! A pooled connection outlives the request that borrowed it, and a request may be cancelled at any await. What must
//! never happen is that the next borrower finds itself inside somebody's transaction, with somebody's tenant: sqlx 0.9.0
//! allows that when a future is dropped while BEGIN is on its way. So nothing here relies on sqlx's own
//! transactions:
//!
//! - BEGIN and the tenant travel in one message, sent by a task of its own that nobody can cancel; the same
//!   statement verifies that the connection was in no transaction and knew no tenant.
//! - A connection goes back to the pool only when the server has confirmed the end of its last transaction. Any
//!   other way out ([`Lease`]'s drop) rolls back, asks the server, and closes the connection if the answer
//!   is not clean.
//! - COMMIT too runs in its own task: a caller who is gone does not leave it half said.
//! - Connections that rested are asked the same question before they are handed out.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use balcao_domain::{TenantCtx, TenantId};
use sqlx::{
    AssertSqlSafe, PgConnection, PgPool, Postgres, Row,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing::Instrument;

use crate::{StoreError, keyring::Keyring};

/// Longer than any statement of ours should take; short enough that a stuck one is noticed.
const STATEMENT_TIMEOUT: &str = "30s";
/// Rows are held for milliseconds; who waits this long waits for something broken.
const LOCK_TIMEOUT: &str = "10s";
/// No work but the database's own happens inside a transaction.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "60s";
/// Batches of the inbox that are committed at the same time, and one to spare.
const FRONT_CONNECTIONS: u32 = 3;
/// How long a request waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that rested longer than this is examined before it is used again.
const EXAMINE_AFTER: Duration = Duration::from_secs(1);
/// How long the clean-up of an abandoned connection may take before it is closed instead.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// True when the session is in no transaction begun earlier and knows no tenant. As a simple query outside a
/// transaction the statement's time is the transaction's; inside an older one it is later.
const IS_CLEAN: &str =
    "now() = statement_timestamp() and coalesce(current_setting('app.tenant_id', true), '') = ''";

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// A URL of the server's own role (`balcao_app`), not of the owner: see [`crate::migrate::runtime_url`].
    pub url: String,
    /// How many connections at most.
    pub max_connections: u32,
    /// Decrypts the channels' credentials.
    pub keyring: Keyring,
}

/// The database, as the server's role sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) pool: PgPool,
    /// For the group commit of the inbox alone: taking messages in never waits behind the work on them.
    front: PgPool,
    pub(crate) keyring: Arc<Keyring>,
}

/// One transaction of one tenant. Dropping it rolls back.
#[derive(Debug)]
pub struct TenantTx {
    lease: Lease,
    tenant_id: TenantId,
    keyring: Arc<Keyring>,
}

impl Store {
    /// Connects. Says nothing about whether the server may serve: that is [`crate::check::check`].
    pub async fn connect(options: &ConnectOptions) -> Result<Self, StoreError> {
        let connect = crate::dsn::parse(&options.url)?
            .application_name("balcao")
            .options([
                ("statement_timeout", STATEMENT_TIMEOUT),
                ("lock_timeout", LOCK_TIMEOUT),
                ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
                // Small statements of known shape: compiling and parallel workers cost more than they give.
                ("jit", "off"),
                ("max_parallel_workers_per_gather", "0"),
                // Every statement of ours has its index. Plans are kept, and one made while a table was empty would
                // read the whole of it ever after: on a young database new customers cost 30 ms each.
                ("enable_seqscan", "off"),
            ])
            .statement_cache_capacity(256);
        Self::with(connect, options.max_connections, options.keyring.clone()).await
    }

    async fn with(
        connect: PgConnectOptions,
        max_connections: u32,
        keyring: Keyring,
    ) -> Result<Self, StoreError> {
        let usual = PgPoolOptions::new()
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(Duration::from_secs(10 * 60))
            .max_lifetime(Duration::from_secs(60 * 60))
            // `before_acquire` asks a better question.
            .test_before_acquire(false)
            .before_acquire(|connection, resting| {
                Box::pin(async move {
                    if resting.idle_for < EXAMINE_AFTER {
                        return Ok(true);
                    }
                    is_clean(connection).await
                })
            });
        let front = usual.clone().max_connections(FRONT_CONNECTIONS).connect_lazy_with(connect.clone());
        let pool = usual.max_connections(max_connections.max(1)).connect_with(connect).await?;
        Ok(Self { pool, front, keyring: Arc::new(keyring) })
    }

    /// Begins a transaction that sees `ctx`'s tenant and nothing else. Safe to cancel at every await.
    pub async fn tenant_tx(&self, ctx: &TenantCtx) -> Result<TenantTx, StoreError> {
        let (store, tenant_id) = (self.clone(), ctx.tenant_id);
        // If our caller leaves, the task still ends, and drops the transaction it was to return: that rolls back.
        tokio::spawn(async move { store.begin(tenant_id).await }.in_current_span())
            .await
            .map_err(|_| StoreError::unavailable("the runtime is shutting down"))?
    }

    async fn begin(&self, tenant_id: TenantId) -> Result<TenantTx, StoreError> {
        // A UUID is written with hexadecimal digits and hyphens: nothing to escape.
        let begin = format!(
            "begin; select {IS_CLEAN}, set_config('app.tenant_id', '{}', true)",
            tenant_id.as_uuid().hyphenated()
        );
        // A connection that the server has closed meanwhile says so only now; nothing was done, so try another one.
        for _ in 0..=self.pool.options().get_max_connections() {
            let mut lease = self.lease().await?;
            match sqlx::raw_sql(AssertSqlSafe(begin.clone())).fetch_all(&mut *lease).await {
                Ok(rows) if rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false)) => {
                    return Ok(TenantTx { lease, tenant_id, keyring: Arc::clone(&self.keyring) });
                }
                Ok(_) => {
                    tracing::error!("a pooled connection was not clean and has been closed");
                    lease.close();
                }
                Err(sqlx::Error::Io(_)) => lease.close(),
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::unavailable("no usable connection"))
    }

    /// A connection for statements that commit by themselves: the definer functions, and those functions that
    /// set the tenant for their own length.
    pub(crate) async fn lease(&self) -> Result<Lease, StoreError> {
        Ok(Lease { connection: Some(self.pool.acquire().await?) })
    }

    /// A connection for the group commit of the inbox.
    pub(crate) async fn front_lease(&self) -> Result<Lease, StoreError> {
        Ok(Lease { connection: Some(self.front.acquire().await?) })
    }

    /// How many connections are open, and how many of them are idle.
    pub fn connections(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut lease = self.lease().await?;
        sqlx::raw_sql("select 1").execute(&mut *lease).await?;
        lease.done();
        Ok(())
    }

    /// Closes all connections; waits for those in use.
    pub async fn close(&self) {
        tokio::join!(self.front.close(), self.pool.close());
    }
}

impl TenantTx {
    /// Whose transaction this is.
    pub fn tenant_id(&self) -> TenantId {
        self.tenant_id
    }

    /// Commits. Goes through even if the caller does not wait for it.
    pub async fn commit(self) -> Result<(), StoreError> {
        let Self { mut lease, .. } = self;
        tokio::spawn(
            async move {
                // COMMIT alone ends a failed transaction with a silent ROLLBACK; a statement before it makes that
                // an error.
                let committed = sqlx::raw_sql("select 1; commit").execute(&mut *lease).await;
                match committed {
                    Ok(_) => {
                        lease.done();
                        Ok(())
                    }
                    Err(error) => Err(StoreError::around_commit(error)),
                }
            }
            .in_current_span(),
        )
        .await
        .map_err(|_| StoreError::Unavailable {
            message: "the runtime is shutting down".into(),
            outcome: crate::Outcome::Unknown,
        })?
    }

    pub(crate) fn conn(&mut self) -> &mut PgConnection {
        &mut self.lease
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keyring
    }
}

/// A borrowed connection. Returned to the pool as it is only after [`Lease::done`]; dropped in any other way it is
/// cleaned up by a task of its own, or closed.
#[derive(Debug)]
pub(crate) struct Lease {
    connection: Option<PoolConnection<Postgres>>,
}

impl Lease {
    /// The last statement was answered and left no transaction behind.
    pub(crate) fn done(mut self) {
        drop(self.connection.take());
    }

    fn close(mut self) {
        if let Some(connection) = self.connection.take() {
            close(connection);
        }
    }
}

impl Deref for Lease {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect("taken only by methods that consume the lease")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("taken only by methods that consume the lease")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return close(connection);
        };
        runtime.spawn(async move {
            let clean = tokio::time::timeout(CLEAN_UP_TIMEOUT, async {
                // Outside a transaction this is a warning and nothing more.
                sqlx::raw_sql("rollback").execute(&mut *connection).await?;
                is_clean(&mut connection).await
            })
            .await;
            if !matches!(clean, Ok(Ok(true))) {
                close(connection);
            }
        });
    }
}

async fn is_clean(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let rows = sqlx::raw_sql(AssertSqlSafe(format!("select {IS_CLEAN}"))).fetch_all(&mut *connection).await?;
    Ok(rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false)))
}

/// Closes the socket at once; the server rolls back whatever was going on.
fn close(connection: PoolConnection<Postgres>) {
    drop(connection.detach());
}
