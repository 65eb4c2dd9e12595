//! The first line of our own format: how the history came about and how it wants to be judged.

use serde::{Deserialize, Serialize};

use crate::Value;

/// The version of the JSON Lines format that this crate reads and writes.
pub const SCHEMA_VERSION: u32 = 1;

/// Where a history comes from. Foreign formats have none: theirs is all `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Always [`SCHEMA_VERSION`].
    pub plumb_history: u32,
    /// The client behaviour that was run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The sequential specification to check against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// The initial value of each object. `Some(Null)` and `None` are the same in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Value>,
    /// The seed of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The build that was tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
}

impl Default for Header {
    fn default() -> Header {
        Header {
            plumb_history: SCHEMA_VERSION,
            workload: None,
            spec: None,
            init: None,
            seed: None,
            build: None,
        }
    }
}

impl Header {
    /// One way to say that nothing was said, so that a history reads back as it was written.
    pub(crate) fn normal(mut self) -> Header {
        self.init = self.init.filter(|init| !init.is_null());
        self
    }
}
