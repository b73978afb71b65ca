//! Everything the emulator remembers: numbers, people, messages both ways, and what was asked of it.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::faults::Faults;
use super::limits::Meter;

/// How much is kept of each kind; the oldest goes first.
const KEPT: usize = 100_000;

/// A business number to play.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewNumber {
    /// Its id in send URLs and webhooks.
    pub phone_number_id: String,
    /// The account it belongs to.
    #[serde(default = "some_account")]
    pub waba_id: String,
    /// The number as people write it, digits.
    #[serde(default = "some_display")]
    pub display_phone_number: String,
    /// The bearer token that may send from it.
    pub access_token: String,
    /// Signs its webhooks.
    pub app_secret: String,
    /// Is sent in the handshake.
    pub verify_token: String,
    /// Where its webhooks go.
    pub webhook_url: String,
    /// Only these phones can be written to, as with Meta's test numbers.
    #[serde(default)]
    pub allowed: Option<Vec<String>>,
}

fn some_account() -> String {
    "209900000000009".into()
}

fn some_display() -> String {
    "551140009999".into()
}

/// A customer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Person {
    /// The phone as WhatsApp knows it (`wa_id`); people without one are known by their user id only.
    pub phone: Option<String>,
    /// The business-scoped user id.
    pub user_id: Option<String>,
    /// The profile's name.
    pub name: Option<String>,
    /// The user name.
    pub username: Option<String>,
    /// Messages to them fail with 131026.
    pub unreachable: bool,
}

/// A template of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KnownTemplate {
    /// Its name.
    pub name: String,
    /// Its language code.
    pub language: String,
    /// `APPROVED`, `PAUSED`, `DISABLED`, …
    #[serde(default = "approved")]
    pub status: String,
    /// How many values its body takes.
    #[serde(default)]
    pub variables: usize,
}

fn approved() -> String {
    "APPROVED".into()
}

/// A message the business sent.
#[derive(Debug, Clone, Serialize)]
pub struct Outbound {
    /// Its id.
    pub id: String,
    /// From which number.
    pub phone_number_id: String,
    /// To whom, as written in the call.
    pub to: String,
    /// The phone it went to.
    pub phone: Option<String>,
    /// The user id it went to.
    pub user_id: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The words a person would see.
    pub text: String,
    /// The tag it was sent with.
    pub tag: Option<String>,
    /// The message it quotes.
    pub context: Option<String>,
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// Whether it came to the phone.
    pub arrived: bool,
    /// Its statuses so far: name and time.
    pub statuses: Vec<(String, DateTime<Utc>)>,
    /// The body of the call.
    pub body: Value,
}

/// A message a customer sent.
#[derive(Debug, Clone, Serialize)]
pub struct InboundMessage {
    /// Its id.
    pub id: String,
    /// To which number.
    pub phone_number_id: String,
    /// From whom.
    pub person: Person,
    /// When.
    pub at: DateTime<Utc>,
    /// The message as it stands in the webhook.
    pub message: Value,
    /// Whether the business has marked it read.
    pub read: bool,
    /// When the business showed "typing…".
    pub typing_at: Option<DateTime<Utc>>,
}

/// A call of the API.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// When.
    pub at: DateTime<Utc>,
    /// To which number.
    pub phone_number_id: String,
    /// What was asked.
    pub body: Value,
    /// The HTTP status of the answer; 0 when the connection was cut.
    pub status: u16,
    /// The error's code, if it was refused.
    pub code: Option<i64>,
}

/// An attempt to deliver a webhook.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// When.
    pub at: DateTime<Utc>,
    /// Of which number.
    pub phone_number_id: String,
    /// What it carried: `messages`, `statuses`, `raw`.
    pub what: &'static str,
    /// Which attempt, from 1.
    pub attempt: usize,
    /// The HTTP status of the answer; `None` when there was none.
    pub status: Option<u16>,
}

/// A webhook held back on request.
pub struct Held {
    /// Of which number.
    pub number: NewNumber,
    /// Its contacts and messages.
    pub contacts: Vec<Value>,
    /// The messages.
    pub messages: Vec<Value>,
}

/// All of it.
pub struct World {
    pub numbers: HashMap<String, NewNumber>,
    people: Vec<Person>,
    by_phone: HashMap<String, usize>,
    by_user_id: HashMap<String, usize>,
    pub templates: HashMap<(String, String, String), KnownTemplate>,
    pub inbound: VecDeque<InboundMessage>,
    last_inbound: HashMap<(String, usize), DateTime<Utc>>,
    pub outbound: VecDeque<Outbound>,
    pub calls: VecDeque<Call>,
    pub attempts: VecDeque<Attempt>,
    pub held: Vec<Held>,
    pub meter: Meter,
    pub faults: Faults,
    rng: StdRng,
}

impl World {
    pub fn new(faults: Faults) -> Self {
        Self {
            numbers: HashMap::new(),
            people: Vec::new(),
            by_phone: HashMap::new(),
            by_user_id: HashMap::new(),
            templates: HashMap::new(),
            inbound: VecDeque::new(),
            last_inbound: HashMap::new(),
            outbound: VecDeque::new(),
            calls: VecDeque::new(),
            attempts: VecDeque::new(),
            held: Vec::new(),
            meter: Meter::default(),
            rng: rng(&faults),
            faults,
        }
    }

    /// Replaces the faults; a seed begins anew.
    pub fn set_faults(&mut self, faults: Faults) {
        self.rng = rng(&faults);
        self.faults = faults;
    }

    /// Whether something with this chance happens now.
    pub fn happens(&mut self, chance: f64) -> bool {
        chance > 0.0 && self.rng.random_bool(chance.clamp(0.0, 1.0))
    }

    /// A random number below `end`.
    pub fn random_below(&mut self, end: u64) -> u64 {
        self.rng.random_range(0..end.max(1))
    }

    /// Who is meant by a phone or a user id.
    pub fn find(&self, phone: Option<&str>, user_id: Option<&str>) -> Option<usize> {
        let by_phone = || {
            let forms = phone.map(phone_forms).unwrap_or_default();
            forms.iter().find_map(|form| self.by_phone.get(form)).copied()
        };
        user_id.and_then(|id| self.by_user_id.get(id)).copied().or_else(by_phone)
    }

    /// Remembers what is new about someone.
    pub fn meet(&mut self, new: Person) -> usize {
        let at = self.find(new.phone.as_deref(), new.user_id.as_deref()).unwrap_or_else(|| {
            self.people.push(Person::default());
            self.people.len() - 1
        });
        let known = &mut self.people[at];
        known.user_id = new.user_id.or(known.user_id.take());
        known.name = new.name.or(known.name.take());
        known.username = new.username.or(known.username.take());
        known.unreachable = new.unreachable;
        // The phone someone registered with stays as it was registered.
        known.phone = known.phone.take().or(new.phone);
        if let Some(phone) = known.phone.clone() {
            self.by_phone.insert(phone, at);
        }
        if let Some(user_id) = known.user_id.clone() {
            self.by_user_id.insert(user_id, at);
        }
        at
    }

    pub fn person(&self, at: usize) -> &Person {
        &self.people[at]
    }

    /// A customer wrote.
    pub fn received(&mut self, number: &str, person: usize, message: InboundMessage) {
        let last = self.last_inbound.entry((number.to_owned(), person)).or_insert(message.at);
        *last = message.at.max(*last);
        keep(&mut self.inbound, message);
    }

    /// Whether free-form messages may go to this person now.
    pub fn window_is_open(&self, number: &str, person: usize, now: DateTime<Utc>) -> bool {
        let now = now + chrono::Duration::seconds(self.faults.limits.window_clock_offset_s);
        self.last_inbound
            .get(&(number.to_owned(), person))
            .is_some_and(|last| now - *last < chrono::Duration::hours(24))
    }

    pub fn sent(&mut self, message: Outbound) {
        keep(&mut self.outbound, message);
    }

    pub fn called(&mut self, call: Call) {
        keep(&mut self.calls, call);
    }

    pub fn attempted(&mut self, attempt: Attempt) {
        keep(&mut self.attempts, attempt);
    }

    /// Forgets messages, people and faults; numbers and templates stay.
    pub fn reset(&mut self, everything: bool) {
        let mut fresh = World::new(Faults::default());
        if !everything {
            fresh.numbers = std::mem::take(&mut self.numbers);
            fresh.templates = std::mem::take(&mut self.templates);
        }
        *self = fresh;
    }
}

fn rng(faults: &Faults) -> StdRng {
    faults.seed.map_or_else(StdRng::from_os_rng, StdRng::seed_from_u64)
}

fn keep<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() >= KEPT {
        list.pop_front();
    }
    list.push_back(item);
}

/// The number itself and, for Brazilian mobiles, the form with or without the ninth digit: WhatsApp takes one for the
/// other.
pub fn phone_forms(digits: &str) -> Vec<String> {
    let mut forms = vec![digits.to_owned()];
    if let Some((area, local)) = digits.strip_prefix("55").and_then(|national| national.split_at_checked(2)) {
        match local.len() {
            8 if local.starts_with(['6', '7', '8', '9']) => forms.push(format!("55{area}9{local}")),
            9 if local.starts_with('9') => forms.push(format!("55{area}{}", &local[1..])),
            _ => {}
        }
    }
    forms
}
