//! Telling a shop's own systems what happens: Standard Webhooks 1.0.0, to public addresses only.
//!
//! The address is a stranger's word, so it is looked up here, every address it has must be one of the public internet,
//! and the call goes to the very address that was checked: a name that changes its mind in between leads nowhere else.
//! Nobody is followed anywhere: a redirect is an answer like any other that is not 2xx.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// How long a call may take altogether.
const PATIENCE: Duration = Duration::from_secs(5);

/// What secrets begin with.
const PREFIX: &str = "whsec_";

/// Sends webhooks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sender {
    /// Also to addresses that only this network knows, and without TLS: for tests and development.
    pub allow_private: bool,
}

/// A message to send.
#[derive(Debug)]
pub struct Message<'a> {
    /// The same for every attempt: how receivers tell repeats.
    pub id: &'a str,
    /// When this attempt is signed, in seconds since 1970.
    pub timestamp: i64,
    /// JSON.
    pub body: &'a str,
}

/// How a call went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What was answered; `None` where nothing was.
    pub status: Option<u16>,
    /// What went wrong, for whoever looks at it.
    pub error: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// Why an address is not called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No address at all.
    #[error("`{0}` is no address: write it as https://host/path")]
    NotAUrl(String),
    /// Others could read it.
    #[error("`{0}` is not https")]
    NotEncrypted(String),
    /// Credentials belong into the signature.
    #[error("the address must not hold a name or a password")]
    Credentials,
    /// It leads into this network.
    #[error("`{0}` leads to {1}, which is not an address of the public internet")]
    Private(String, IpAddr),
    /// Nobody knows it.
    #[error("`{0}` cannot be looked up: {1}")]
    Unknown(String, String),
}

/// A new secret: 32 random bytes.
pub fn secret(random: [u8; 32]) -> SecretString {
    format!("{PREFIX}{}", STANDARD.encode(random)).into()
}

/// The header `webhook-signature`: one signature by each secret, so that a receiver may know the old key or the new.
pub fn signatures(secrets: &[SecretString], message: &Message<'_>) -> String {
    let each = secrets.iter().filter_map(|secret| {
        let secret = secret.expose_secret();
        let key = STANDARD.decode(secret.strip_prefix(PREFIX).unwrap_or(secret)).ok()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        mac.update(format!("{}.{}.{}", message.id, message.timestamp, message.body).as_bytes());
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    });
    each.collect::<Vec<_>>().join(" ")
}

impl Sender {
    /// Whether an address may be called, by its looks: what it leads to is looked up when it is.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, url: &str) -> Result<(), Refused> {
        self.parse(url).map(|_| ())
    }

    fn parse(&self, url: &str) -> Result<(Url, String, u16), Refused> {
        let parsed = Url::parse(url).map_err(|_| Refused::NotAUrl(url.to_owned()))?;
        let (Some(host), Some(port)) = (parsed.host_str(), parsed.port_or_known_default()) else {
            return Err(Refused::NotAUrl(url.to_owned()));
        };
        if parsed.scheme() != "https" && !(self.allow_private && parsed.scheme() == "http") {
            return Err(Refused::NotEncrypted(url.to_owned()));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(Refused::Credentials);
        }
        let host = host.trim_matches(['[', ']']).to_owned();
        if let Ok(address) = host.parse::<IpAddr>()
            && !self.allow_private
            && !is_public(address)
        {
            return Err(Refused::Private(host, address));
        }
        Ok((parsed, host, port))
    }

    async fn look_up(&self, url: &str) -> Result<(Url, String, SocketAddr), Refused> {
        let (parsed, host, port) = self.parse(url)?;
        let unknown = |why: String| Refused::Unknown(host.clone(), why);
        let found =
            tokio::net::lookup_host((host.as_str(), port)).await.map_err(|e| unknown(e.to_string()))?;
        let addresses: Vec<SocketAddr> = found.collect();
        let private = addresses.iter().find(|address| !is_public(address.ip()));
        if let Some(private) = private.filter(|_| !self.allow_private) {
            return Err(Refused::Private(host, private.ip()));
        }
        let first = addresses.first().copied().ok_or_else(|| unknown("it has no address".into()))?;
        Ok((parsed, host, first))
    }

    /// Sends one message.
    pub async fn send(&self, url: &str, secrets: &[SecretString], message: &Message<'_>) -> Told {
        let began = Instant::now();
        let result = tokio::time::timeout(PATIENCE, self.call(url, secrets, message)).await;
        let (status, error) = match result {
            Ok(Ok(status)) if (200..300).contains(&status) => (Some(status), None),
            Ok(Ok(status)) => (Some(status), Some(format!("it answered {status}"))),
            Ok(Err(error)) => (None, Some(error)),
            Err(_) => (None, Some(format!("no answer within {} s", PATIENCE.as_secs()))),
        };
        Told { status, error, took: began.elapsed() }
    }

    async fn call(&self, url: &str, secrets: &[SecretString], message: &Message<'_>) -> Result<u16, String> {
        let (url, host, address) = self.look_up(url).await.map_err(|refused| refused.to_string())?;
        // A client a call: it is bound to the address that was checked.
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .resolve(&host, address)
            .timeout(PATIENCE)
            .user_agent("balcao-webhooks")
            .build()
            .map_err(|error| error.to_string())?;
        let answer = client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", message.id)
            .header("webhook-timestamp", message.timestamp)
            .header("webhook-signature", signatures(secrets, message))
            .body(message.body.to_owned())
            .send()
            .await
            // The address stands in the attempt's own row.
            .map_err(|error| error.without_url().to_string())?;
        Ok(answer.status().as_u16())
    }
}

/// Whether an address belongs to the public internet: not to this machine, this network, a cloud's inside, or nobody.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let reserved = match (a, b, c) {
        // This network, carriers' own, IETF assignments, 6to4 relays, benchmarks, multicast, class E.
        (0, ..) | (100, 64..=127, _) | (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _) | (224.., ..) => true,
        _ => false,
    };
    !(reserved
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_broadcast())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // An IPv4 address in other clothes is judged as what it is: mapped, compatible, NAT64, 6to4.
    let inner = match segments {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => Some((high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some((high, low)),
        [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = inner {
        return is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    }
    // Only 2000::/3 is given out; of it documentation and Teredo lead nowhere good.
    (segments[0] & 0xe000) == 0x2000 && !matches!(segments, [0x2001, 0 | 0xdb8, ..] | [0x3fff, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_the_specification() {
        // The example of Standard Webhooks' own libraries.
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let message = Message {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp: 1_614_265_330,
            body: r#"{"test": 2432232314}"#,
        };
        assert_eq!(
            signatures(std::slice::from_ref(&secret), &message),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        let both = signatures(&[super::secret([7; 32]), secret], &message);
        assert!(both.ends_with(" v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="), "{both}");
    }

    #[test]
    fn only_addresses_of_the_public_internet_are_called() {
        for public in ["8.8.8.8", "200.160.2.3", "2606:4700::1111", "64:ff9b::808:808"] {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
        for private in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.0.8",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
        ] {
            assert!(!is_public(private.parse().expect("an address")), "{private}");
        }
    }

    #[test]
    fn addresses_are_refused_by_their_looks_where_that_is_enough() {
        let strict = Sender::default();
        for wrong in [
            "",
            "loja.example/hook",
            "ftp://loja.example/",
            "http://loja.example/hook",
            "https://ana:senha@loja.example/",
            "https://127.0.0.1/hook",
            "https://[::1]/hook",
            "https://2130706433/hook",
            "https://0x7f.1/hook",
            "https://169.254.169.254/latest/meta-data",
        ] {
            assert!(strict.check(wrong).is_err(), "{wrong}");
        }
        assert_eq!(strict.check("https://loja.example/hook?x=1"), Ok(()));
        assert_eq!(Sender { allow_private: true }.check("http://127.0.0.1:9/hook"), Ok(()));
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_not_called() {
        let message = Message { id: "evt_1", timestamp: 0, body: "{}" };
        let told = Sender::default().send("https://localhost/hook", &[], &message).await;
        assert_eq!(told.status, None);
        assert!(told.error.as_deref().is_some_and(|error| error.contains("public internet")), "{told:?}");
    }
}
