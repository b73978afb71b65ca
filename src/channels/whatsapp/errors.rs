//! What an error code of the Cloud API means for the message that met it.
//!
//! One pure function for both places errors come from: the answer to a send, and a `failed` status minutes later. The
//! code and the details decide, never the title and hardly the HTTP status: Meta's are unreliable.

use std::time::Duration;

use crate::SendError;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What to do about an error with a code. `http_status` is used only for codes nobody knows.
pub fn classify(code: i64, http_status: Option<u16>, details: &str) -> SendError {
    let detail = details.to_owned();
    let retry = |after| SendError::Retry { code: Some(code), detail: details.to_owned(), after };
    match code {
        // Tokens, permissions, and the account's standing: nothing will go out until a person acts.
        0 | 3 | 10 | 33 | 190 | 200..=299 | 131005 => blocked(code, detail),
        368 | 131031 => blocked(code, detail),
        131037 | 131042 | 131045 | 131063 | 131064 => blocked(code, detail),
        // The number is not (or not yet) registered.
        133000 | 133005 | 133006 | 133008..=133010 | 133015 | 133016 => blocked(code, detail),

        // Meta's side, for a moment.
        1 | 2 | 131000 | 131016 | 133004 => retry(None),
        // Maintenance, typically a change of throughput: about a minute.
        131057 => retry(Some(MINUTE)),

        // Too fast.
        130429 => retry(None),
        4 | 80007 => retry(Some(5 * MINUTE)),
        131056 => SendError::PairLimited { code: Some(code), detail },
        // Taken for spam: hours, not seconds.
        131048 => retry(Some(HOUR)),
        132069 => retry(Some(HOUR)),
        // This customer has had enough marketing for a day.
        131049 => retry(Some(DAY)),

        131047 => SendError::WindowClosed { code: Some(code), detail },
        // Our media: a link may be fetched better the next time, a wrong type stays wrong.
        131053 if is_fetch_failure(details) => retry(Some(MINUTE)),

        // Ours to fix, or the customer's to decide: the same message will never go.
        100 | 2040 | 2046 | 2047 | 130472..=139103 | 2388019..=2388299 => never(code, detail),

        _ => match http_status {
            Some(429) => retry(None),
            Some(500..=599) => retry(None),
            Some(401 | 403) => blocked(code, detail),
            _ => never(code, detail),
        },
    }
}

/// What to do about an answer without a code. After a 5xx nobody knows whether the message was taken.
pub fn classify_bare(http_status: u16, retry_after: Option<Duration>) -> SendError {
    let detail = format!("HTTP {http_status} without an error of the Cloud API");
    match http_status {
        429 => SendError::Retry { code: None, detail, after: retry_after },
        500..=599 => SendError::Unknown(detail),
        // The token is not sent after a redirect; an API address that redirects is a wrong setting.
        300..=399 | 401 | 403 => SendError::AccountBlocked { code: None, detail },
        _ => SendError::Never { code: None, detail },
    }
}

fn blocked(code: i64, detail: String) -> SendError {
    SendError::AccountBlocked { code: Some(code), detail }
}

fn never(code: i64, detail: String) -> SendError {
    SendError::Never { code: Some(code), detail }
}

fn is_fetch_failure(details: &str) -> bool {
    let details = details.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| details.contains(word));
    says(&["download", "fetch", "http", "link", "timed out", "timeout"])
        && !says(&["mime", "unsupported", "file type", "format"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Action {
        Retry(Option<u64>),
        Pair,
        Never,
        Window,
        Blocked,
        Unknown,
    }
    use Action::*;

    fn action(error: SendError) -> Action {
        match error {
            SendError::Retry { after, .. } => Retry(after.map(|d| d.as_secs())),
            SendError::PairLimited { .. } => Pair,
            SendError::Never { .. } => Never,
            SendError::WindowClosed { .. } => Window,
            SendError::AccountBlocked { .. } => Blocked,
            SendError::Unknown(_) => Unknown,
            SendError::BreakerOpen => unreachable!("no code opens a breaker by itself"),
        }
    }

    #[test]
    fn every_documented_code_has_its_action() {
        let table: &[(&[i64], Action)] = &[
            (&[0, 3, 10, 33, 190, 200, 210, 299, 131005], Blocked),
            (&[368, 131031, 131037, 131042, 131045, 131063, 131064], Blocked),
            (&[133000, 133005, 133006, 133008, 133009, 133010, 133015, 133016], Blocked),
            (&[1, 2, 131000, 131016, 133004, 130429], Retry(None)),
            (&[131057], Retry(Some(60))),
            (&[4, 80007], Retry(Some(300))),
            (&[131048, 132069], Retry(Some(3_600))),
            (&[131049], Retry(Some(86_400))),
            (&[131056], Pair),
            (&[131047], Window),
            (&[100, 130472, 130497, 131008, 131009, 131021, 131026, 131030, 131050, 131051], Never),
            (&[131052, 131053, 131055, 131059, 131062], Never),
            (&[132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132018, 132068], Never),
            (&[134011, 134100, 134101, 134102, 135000, 137000], Never),
            (&[139100, 139101, 139102, 139103, 2040, 2046, 2047], Never),
            (&[2388019, 2388040, 2388047, 2388072, 2388073, 2388293, 2388299], Never),
        ];
        for (codes, expected) in table {
            for code in *codes {
                assert_eq!(action(classify(*code, None, "")), *expected, "{code}");
                // The HTTP status must not change what a known code means: 130429 comes as 400 and as 429.
                for status in [400, 429, 500] {
                    assert_eq!(action(classify(*code, Some(status), "")), *expected, "{code} with {status}");
                }
            }
        }
    }

    #[test]
    fn media_is_fetched_again_but_a_wrong_type_is_not_sent_again() {
        let link = "Failed to download the media from the sender link: http code 503";
        assert_eq!(action(classify(131053, None, link)), Retry(Some(60)));
        let mime = "Unsupported Audio mime type audio/opus. Please use one of audio/ogg; codecs=opus.";
        assert_eq!(action(classify(131053, None, mime)), Never);
    }

    #[test]
    fn an_unknown_code_goes_by_the_http_status() {
        let cases = [
            (None, Never),
            (Some(400), Never),
            (Some(403), Blocked),
            (Some(429), Retry(None)),
            (Some(503), Retry(None)),
        ];
        for (status, expected) in cases {
            assert_eq!(action(classify(987_654_321, status, "")), expected, "{status:?}");
        }
    }

    #[test]
    fn without_a_code_a_server_error_leaves_the_outcome_unknown() {
        assert_eq!(action(classify_bare(500, None)), Unknown);
        assert_eq!(action(classify_bare(503, None)), Unknown);
        assert_eq!(action(classify_bare(429, Some(Duration::from_secs(7)))), Retry(Some(7)));
        assert_eq!(action(classify_bare(302, None)), Blocked);
        assert_eq!(action(classify_bare(401, None)), Blocked);
        assert_eq!(action(classify_bare(404, None)), Never);
    }
}
