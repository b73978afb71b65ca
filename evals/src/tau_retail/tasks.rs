//! The benchmark's tasks: of each, what a replay needs. Its other keys describe the customer and are not read.

use serde::Deserialize;
use serde_json::Value;

/// A task.
#[derive(Debug, Clone, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// Changes to the shop before the task; none of the source's tasks has any.
    #[serde(default)]
    pub initial_state: Option<Value>,
    /// What it is judged by.
    #[serde(default)]
    pub evaluation_criteria: Option<Criteria>,
}

/// What a task is judged by.
#[derive(Debug, Clone, Deserialize)]
pub struct Criteria {
    /// The reference sequence.
    #[serde(default)]
    pub actions: Option<Vec<Action>>,
}

/// A call of a tool.
#[derive(Debug, Clone, Deserialize)]
pub struct Action {
    /// Its id within the task.
    #[serde(default)]
    pub action_id: String,
    /// The tool.
    pub name: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Value,
}

impl Task {
    /// The reference sequence; empty where there is none.
    pub fn actions(&self) -> &[Action] {
        self.evaluation_criteria.as_ref().and_then(|criteria| criteria.actions.as_deref()).unwrap_or_default()
    }
}
