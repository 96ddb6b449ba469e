//! What a source that goes on has to give at this moment.

/// The answer of a source that is asked without waiting: of [`crate::Events`] and
/// [`crate::Follow`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<T> {
    /// The next item. There may be more: ask again.
    Item(T),
    /// Nothing new so far. The source's descriptor becomes readable when it is worth
    /// asking again.
    NothingYet,
    /// There will be no more.
    End,
}
