//! A list that forgets its oldest rows, so that a sandbox left running never fills the memory.
//!
//! Pure. Invariant: a row keeps its number for ever; numbers count from one and are never used twice.

use std::collections::VecDeque;

#[derive(Debug)]
pub(super) struct Log<T> {
    rows: VecDeque<T>,
    /// Rows forgotten so far.
    forgotten: u64,
    most: usize,
}

impl<T> Log<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { rows: VecDeque::new(), forgotten: 0, most: most.max(1) }
    }

    /// The number that the next row gets.
    pub(super) fn next_number(&self) -> u64 {
        self.forgotten + self.rows.len() as u64 + 1
    }

    /// Adds a row; gives back the one that is forgotten for it.
    pub(super) fn push(&mut self, row: T) -> Option<T> {
        self.rows.push_back(row);
        let oldest = (self.rows.len() > self.most).then(|| self.rows.pop_front()).flatten();
        self.forgotten += u64::from(oldest.is_some());
        oldest
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let index = usize::try_from(number.checked_sub(self.forgotten + 1)?).ok()?;
        self.rows.get_mut(index)
    }

    pub(super) fn get(&self, number: u64) -> Option<&T> {
        let index = usize::try_from(number.checked_sub(self.forgotten + 1)?).ok()?;
        self.rows.get(index)
    }

    /// Numbers and rows, oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &T)> {
        self.rows.iter().enumerate().map(|(index, row)| (self.forgotten + 1 + index as u64, row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_rows_are_forgotten_and_numbers_stay() {
        let mut log = Log::new(2);
        assert_eq!([log.push("a"), log.push("b"), log.push("c")], [None, None, Some("a")]);
        assert_eq!(log.iter().collect::<Vec<_>>(), [(2, &"b"), (3, &"c")]);
        assert_eq!((log.get(1), log.get(3), log.get(4), log.get(0)), (None, Some(&"c"), None, None));
        assert_eq!((log.get_mut(2).copied(), log.next_number()), (Some("b"), 4));
    }
}
