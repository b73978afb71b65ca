//! Runs the router on a socket until it is told to stop.

use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{App, router};

/// After being told to stop, open requests have this long to end.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until `shutdown` is cancelled, then lets open requests end.
///
/// # Errors
/// Fails when the socket does.
pub async fn serve(listener: TcpListener, app: App, shutdown: CancellationToken) -> anyhow::Result<()> {
    let stopping = app.stopping.clone();
    // An acknowledgement is a few bytes: waiting to fill a packet would cost each webhook 40 ms.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "failed to set TCP_NODELAY");
        }
    });
    let told = shutdown.clone();
    let server = axum::serve(listener, router(app)).with_graceful_shutdown(async move {
        told.cancelled().await;
        stopping.cancel();
    });
    let patience = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = server.into_future() => Ok(result?),
        () = patience => {
            tracing::warn!("some requests were still open and have been cut off");
            Ok(())
        }
    }
}
