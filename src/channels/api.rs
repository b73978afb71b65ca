//! The channel of the chat API, the chat page and the terminal: a reply goes to whoever asked, as it is.
//!
//! There is nothing to send: the reply is recorded with its turn and streamed from there. "Sending" it is therefore
//! always accepted.

use async_trait::async_trait;
use balcao_domain::{Language, reply::Reply};
use serde_json::json;

use crate::{Channel, Indication, Outgoing, SendError, SendReceipt, Target, plain};

/// The API's side of a conversation.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApiChannel;

/// One message of kind `text`: the words in small Markdown, the options and the sources beside them.
pub fn render(reply: &Reply) -> Vec<Outgoing> {
    if reply.text.trim().is_empty() && reply.options.is_empty() {
        return Vec::new();
    }
    let mut text = plain::numbered(&reply.text, &reply.options);
    let mut body = json!({ "text": reply.text, "options": reply.options, "sources": reply.sources });
    if let Some(code) = &reply.copyable {
        text += &format!("\n\n{code}");
        body["copyable"] = json!(code);
    }
    vec![Outgoing { kind: "text".into(), text, body }]
}

#[async_trait]
impl Channel for ApiChannel {
    fn render(&self, reply: &Reply, _: Language) -> Vec<Outgoing> {
        render(reply)
    }

    async fn send(&self, _to: &Target, _message: &Outgoing, tag: &str) -> Result<SendReceipt, SendError> {
        Ok(SendReceipt {
            provider_message_id: format!("api:{tag}"),
            resolved_phone: None,
            resolved_user_id: None,
        })
    }

    async fn indicate(&self, _provider_message_id: &str, _what: Indication) -> Result<(), SendError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use balcao_domain::reply::ReplyOption;

    #[test]
    fn the_api_gets_the_reply_as_it_is_and_its_history_reads_well() {
        let mut reply = Reply::text("**Oi!**");
        reply.options.push(ReplyOption { id: "menu:1".into(), title: "Trocas".into(), description: None });
        let rendered = render(&reply);
        assert_eq!(rendered.len(), 1);
        assert_eq!(rendered[0].text, "**Oi!**\n\n1. Trocas");
        assert_eq!(
            rendered[0].body,
            json!({ "text": "**Oi!**", "options": [{ "id": "menu:1", "title": "Trocas" }], "sources": [] })
        );
        assert!(render(&Reply::text("  ")).is_empty());
    }
}
