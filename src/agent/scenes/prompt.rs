//! The prompts as the model sees them.

use super::fakes::*;
use crate::Author;

#[tokio::test]
async fn the_prompt_of_a_fixed_turn_reads_like_this() {
    let model = ScriptedModel::new([says("Olá!", &[])]);
    let mut counter = counter(Some(model.clone()), 0.9);
    counter.tenant.slug = "loja-aurora".into();
    counter.tenant.name = "Loja Aurora".into();
    let mut turn = counter.turn(vec![say("e o frete?"), say("para Santos")]);
    turn.customer_name = Some("Ana".into());
    turn.history = vec![said(Author::Customer, "oi"), said(Author::Human, "Olá, Ana!")];
    counter.play(turn).await;
    let request = model.requests().remove(0);
    let system = &request.messages[0].content;
    assert!(
        system.starts_with(
            "## Task\n\nYou are the assistant of Loja Aurora, answering one of its customers over WhatsApp."
        ),
        "{system}"
    );
    assert!(
        system.contains("Answer in Brazilian Portuguese.") && system.contains("at most 80 words"),
        "{system}"
    );
    for heading in ["## Task", "## Rules", "## Examples"] {
        assert!(system.contains(heading), "{heading}");
    }
    assert_eq!(
        (request.messages[1].content.as_str(), request.messages[2].content.as_str()),
        ("oi", "Olá, Ana!")
    );
    let data = &request.messages[3].content;
    let expected = "<fact name=\"local date and time\">Wednesday, 2026-11-25 (25/11), 10:00</fact>\n";
    assert!(data.starts_with(expected), "{data}");
    let rest = "<fact name=\"customer's first name\">Ana</fact>\n<source number=\"1\" title=\"Entrega\">\n## Quanto custa o frete?";
    assert!(data.contains(rest), "{data}");
    assert!(data.ends_with("<message>e o frete?</message>\n<message>para Santos</message>"), "{data}");
    let tools: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(tools, ["search_knowledge", "request_human", "end_conversation"]);
    assert!(
        request
            .tools
            .iter()
            .all(|tool| tool.parameters["additionalProperties"] == false && tool.description.len() > 40)
    );
    let (name, schema) = request.response_schema.expect("a schema");
    assert_eq!((name.as_str(), schema["required"].as_array().map(Vec::len)), ("answer", Some(4)));
}
