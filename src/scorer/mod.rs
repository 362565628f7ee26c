//! Judges stored objects: a notice of an upload comes in, a result document goes out.
//!
//! ```text
//! Lambda event -> notification: which objects -> score: one object -> result document -> handler: what is delivered again
//! ```
//!
//! What trying again cannot cure becomes a result with an error; what it may cure is left to whoever delivers events.

pub mod handler;
pub mod notification;
pub mod report;
pub mod score;
pub mod worker;

pub use handler::{Handler, Invocation};
pub use notification::{Delivery, Unreadable};
pub use report::{Entry, Reporter};
pub use score::{Outcome, Retry, Scored, Scorer};
