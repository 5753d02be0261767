//! Numbers that stand for things, told apart by their types.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A number that stands for a thing of one kind.
pub trait Id: Copy + Ord + fmt::Debug {
    /// The thing in that place.
    fn at(place: usize) -> Self;

    /// Its place.
    fn place(self) -> usize;
}

/// Declares a type of numbers.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(usize);

        impl $crate::index::Id for $name {
            fn at(place: usize) -> Self {
                $name(place)
            }

            fn place(self) -> usize {
                self.0
            }
        }
    };
}
pub(crate) use id;

/// Something for each thing of a kind, in order.
#[derive(Clone, PartialEq)]
pub struct IdVec<I, T> {
    all: Vec<T>,
    of: PhantomData<fn(I)>,
}

impl<I: Id, T> IdVec<I, T> {
    /// Of nothing.
    pub const fn new() -> Self {
        IdVec { all: Vec::new(), of: PhantomData }
    }

    /// The same for so many.
    pub fn of(value: T, count: usize) -> Self
    where
        T: Clone,
    {
        IdVec { all: vec![value; count], of: PhantomData }
    }

    /// Adds one behind all others; gives its number.
    pub fn push(&mut self, value: T) -> I {
        self.all.push(value);
        I::at(self.all.len() - 1)
    }

    /// Only the first so many are left.
    pub fn truncate(&mut self, count: usize) {
        self.all.truncate(count);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All numbers, ascending.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = I> + ExactSizeIterator + use<I, T> {
        (0..self.all.len()).map(I::at)
    }

    /// All in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.all.iter()
    }

    /// All in order.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.all.iter_mut()
    }

    /// All in order, with their numbers, to be changed.
    pub fn enumerate_mut(&mut self) -> impl DoubleEndedIterator<Item = (I, &mut T)> + ExactSizeIterator {
        self.all.iter_mut().enumerate().map(|(i, value)| (I::at(i), value))
    }

    /// All in order, with their numbers.
    pub fn enumerate(&self) -> impl DoubleEndedIterator<Item = (I, &T)> + ExactSizeIterator {
        self.all.iter().enumerate().map(|(i, value)| (I::at(i), value))
    }

    /// That of a number; `None` for one that there is none of.
    pub fn get(&self, id: I) -> Option<&T> {
        self.all.get(id.place())
    }

    /// Likewise.
    pub fn get_mut(&mut self, id: I) -> Option<&mut T> {
        self.all.get_mut(id.place())
    }

    /// All in order, without their numbers.
    pub fn as_slice(&self) -> &[T] {
        &self.all
    }
}

impl<I: Id, T> Default for IdVec<I, T> {
    fn default() -> Self {
        IdVec::new()
    }
}

impl<I, T: fmt::Debug> fmt::Debug for IdVec<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.all.fmt(f)
    }
}

impl<I: Id, T> Index<I> for IdVec<I, T> {
    type Output = T;

    fn index(&self, id: I) -> &T {
        &self.all[id.place()]
    }
}

impl<I: Id, T> IndexMut<I> for IdVec<I, T> {
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.all[id.place()]
    }
}

impl<I: Id, T> FromIterator<T> for IdVec<I, T> {
    fn from_iter<A: IntoIterator<Item = T>>(all: A) -> Self {
        IdVec { all: all.into_iter().collect(), of: PhantomData }
    }
}

impl<I: Id, T> From<Vec<T>> for IdVec<I, T> {
    fn from(all: Vec<T>) -> Self {
        IdVec { all, of: PhantomData }
    }
}

impl<'v, I: Id, T> IntoIterator for &'v IdVec<I, T> {
    type Item = &'v T;
    type IntoIter = std::slice::Iter<'v, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

impl<I: Id, T> IntoIterator for IdVec<I, T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

impl<I: Id, T> Extend<T> for IdVec<I, T> {
    fn extend<A: IntoIterator<Item = T>>(&mut self, more: A) {
        self.all.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    id! {
        /// A letter.
        Letter
    }

    #[test]
    fn what_is_pushed_is_found_by_its_number() {
        let mut letters: IdVec<Letter, char> = IdVec::new();
        let (a, b) = (letters.push('a'), letters.push('b'));
        assert_eq!((letters[a], letters.get(b), letters.get(Letter::at(2))), ('a', Some(&'b'), None));
        assert_eq!(letters.ids().collect::<Vec<_>>(), [a, b]);
        letters[b] = 'c';
        assert_eq!(letters.enumerate().last(), Some((b, &'c')));
    }
}
