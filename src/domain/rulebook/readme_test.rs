//! The example of the shop owners' guide works as it is printed.

use super::{RulePack, utterances::base};

#[test]
fn the_example_in_the_guide_is_a_sound_pack() {
    let guide = include_str!("../../../prompts/README.md");
    let example =
        guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let pack = RulePack::parse_with(example, &base).unwrap_or_else(|error| panic!("{error}"));
    assert!(pack.has_intent("wifi") && pack.hours().is_some());
}
