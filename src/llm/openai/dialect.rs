//! What an endpoint does not understand of the protocol, learnt from its rejections.
//!
//! Newer models of OpenAI reject `max_tokens`, which older servers alone know; reasoning models reject a temperature;
//! some servers reject `seed`, `stream_options` or schemas. Rather than a setting for each, the rejected parameter is
//! left out once its name stands in the complaint.

use super::Structured;

/// What to send and what to leave out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dialect {
    pub structured: Structured,
    /// The limit is called `max_completion_tokens`, not `max_tokens`.
    pub new_limit_name: bool,
    pub temperature: bool,
    pub seed: bool,
    pub stream_options: bool,
}

impl Dialect {
    pub fn new(structured: Structured) -> Self {
        Self { structured, new_limit_name: false, temperature: true, seed: true, stream_options: true }
    }

    /// Learns from a rejection; false when it teaches nothing new.
    pub fn learn(&mut self, complaint: &str) -> bool {
        let before = self.clone();
        if complaint.contains("max_completion_tokens") {
            self.new_limit_name = true;
        } else if complaint.contains("temperature") {
            self.temperature = false;
        } else if complaint.contains("stream_options") || complaint.contains("include_usage") {
            self.stream_options = false;
        } else if complaint.contains("response_format") || complaint.contains("json_schema") {
            self.structured = match self.structured {
                Structured::JsonSchema => Structured::JsonObject,
                Structured::JsonObject | Structured::Prompt => Structured::Prompt,
            };
        } else if complaint.contains("seed") {
            self.seed = false;
        }
        *self != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_complaint_teaches_once() {
        let complaints = [
            "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            "Unsupported value: 'temperature' does not support 0 with this model.",
            "unknown field `stream_options`",
            "seed: extra fields not permitted",
        ];
        let mut dialect = Dialect::new(Structured::JsonSchema);
        for complaint in complaints {
            assert!(dialect.learn(complaint), "{complaint}");
            assert!(!dialect.learn(complaint), "{complaint}");
        }
        assert!(!dialect.learn("the message is rude"));
    }

    #[test]
    fn schemas_are_given_up_step_by_step() {
        let mut dialect = Dialect::new(Structured::JsonSchema);
        let complaint = "response_format is not supported";
        assert!(dialect.learn(complaint) && dialect.structured == Structured::JsonObject);
        assert!(dialect.learn(complaint) && dialect.structured == Structured::Prompt);
        assert!(!dialect.learn(complaint));
    }
}
