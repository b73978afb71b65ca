//! Who calls: `Authorization: Bearer bk_…` (or `X-Api-Key`), and what that key may do.
//!
//! A handler says in its signature who may call: [`Chat`], [`Ingest`] or [`Admin`]. The look-up happens once per
//! request in [`authenticate`], which also counts the request against the key's rate.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use balcao_domain::{KeyId, Principal, Scope, TenantCtx, TenantId};
use balcao_store::{StoreError, api_keys};
use moka::future::Cache;
use sha2::{Digest, Sha256};

use crate::{ApiError, App};

/// How long a key that was good a moment ago needs no look-up. A revocation on another node, or at the command
/// line, takes this long to be felt here; one through this node is felt at once.
const FRESH: Duration = Duration::from_secs(1);
/// Keys remembered at most.
const REMEMBERED: u64 = 10_000;

/// A caller whose key was good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose key.
    pub tenant_id: TenantId,
    /// Which key.
    pub key_id: KeyId,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

impl Caller {
    /// Who is acting, for the store.
    pub fn ctx(&self) -> TenantCtx {
        TenantCtx {
            tenant_id: self.tenant_id,
            principal: Principal::Key { id: self.key_id, scopes: self.scopes.clone() },
        }
    }

    /// Whether the key has `scope`. `Admin` includes the others.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }
}

/// Keys seen a moment ago, by the hash of their secret. Only good ones are kept.
pub struct KeyRing(Cache<[u8; 32], Arc<Caller>>);

impl Default for KeyRing {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED).time_to_live(FRESH).build())
    }
}

impl KeyRing {
    /// The caller behind a secret.
    async fn caller(&self, app: &App, secret: &str) -> Result<Arc<Caller>, ApiError> {
        let hash: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let looked_up = self.0.try_get_with(hash, async {
            let known = api_keys::authenticate(&app.store, secret).await.map_err(Some)?;
            let known = known.ok_or(None)?;
            Ok::<_, Option<StoreError>>(Arc::new(Caller {
                tenant_id: known.tenant_id,
                key_id: known.key_id,
                scopes: known.scopes,
            }))
        });
        looked_up.await.map_err(|error| match error.as_ref() {
            None => ApiError::Unauthorized,
            Some(error) => {
                tracing::error!(%error, "failed to look up an API key");
                ApiError::Unavailable
            }
        })
    }

    /// Forgets every key, so that a revocation is felt at once.
    pub fn forget(&self) {
        self.0.invalidate_all();
    }
}

/// The layer in front of everything under `/v1`.
pub async fn authenticate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let Some(secret) = secret(request.headers()) else { return ApiError::Unauthorized.into_response() };
    let caller = match app.keys.caller(&app, secret).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let rate = app.limits.count(caller.key_id);
    let mut response = match rate.wait {
        Some(wait) => ApiError::RateLimited(wait).into_response(),
        None => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
    };
    rate.write(response.headers_mut());
    response
}

/// The secret a request carries, if any.
fn secret(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
    });
    let secret = bearer.or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok()))?;
    // Anything longer is not ours; hashing megabytes of header is not wanted either.
    (secret.starts_with("bk_") && secret.len() <= 200).then_some(secret)
}

macro_rules! callers {
    ($($(#[$doc:meta])* $name:ident = $scope:expr),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(pub Arc<Caller>);

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
                let caller = parts.extensions.get::<Arc<Caller>>().ok_or(ApiError::Unauthorized)?;
                if !caller.may($scope) {
                    return Err(ApiError::Forbidden($scope));
                }
                Ok(Self(caller.clone()))
            }
        }
    )*};
}

callers! {
    /// A caller that may talk as a customer.
    Chat = Scope::Chat,
    /// A caller that may write documents.
    Ingest = Scope::Ingest,
    /// A caller that may do everything in its shop.
    Admin = Scope::Admin,
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().expect("a header"), HeaderValue::from_static(value))])
    }

    #[test]
    fn a_key_is_read_from_either_header() {
        let all =
            [("authorization", "Bearer bk_abc"), ("authorization", "bearer bk_abc"), ("x-api-key", "bk_abc")];
        for (name, value) in all {
            assert_eq!(secret(&headers(name, value)), Some("bk_abc"), "{name}: {value}");
        }
    }

    #[test]
    fn what_is_no_key_of_ours_is_not_looked_up() {
        for (name, value) in [
            ("authorization", "Basic bk_abc"),
            ("authorization", "bk_abc"),
            ("authorization", "Bearer sk-abc"),
            ("x-api-key", ""),
        ] {
            assert_eq!(secret(&headers(name, value)), None, "{name}: {value}");
        }
    }

    async fn extract<T: FromRequestParts<(), Rejection = ApiError>>(scopes: &[Scope]) -> Option<ApiError> {
        let caller =
            Caller { tenant_id: TenantId::generate(), key_id: KeyId::generate(), scopes: scopes.to_vec() };
        let (mut parts, ()) = axum::http::Request::new(()).into_parts();
        parts.extensions.insert(Arc::new(caller));
        T::from_request_parts(&mut parts, &()).await.err()
    }

    #[tokio::test]
    async fn a_key_may_do_what_its_scopes_say_and_an_admin_everything() {
        assert_eq!(extract::<Chat>(&[Scope::Chat]).await, None);
        assert_eq!(extract::<Ingest>(&[Scope::Chat]).await, Some(ApiError::Forbidden(Scope::Ingest)));
        assert_eq!(
            extract::<Admin>(&[Scope::Chat, Scope::Ingest]).await,
            Some(ApiError::Forbidden(Scope::Admin))
        );
        assert_eq!(extract::<Chat>(&[Scope::Ingest]).await, Some(ApiError::Forbidden(Scope::Chat)));
        for scope in [Scope::Admin] {
            assert_eq!(extract::<Chat>(&[scope]).await, None);
            assert_eq!(extract::<Ingest>(&[scope]).await, None);
            assert_eq!(extract::<Admin>(&[scope]).await, None);
        }
    }

    #[tokio::test]
    async fn without_a_caller_nobody_gets_in() {
        let (mut parts, ()) = axum::http::Request::new(()).into_parts();
        assert_eq!(Chat::from_request_parts(&mut parts, &()).await.err(), Some(ApiError::Unauthorized));
    }
}
