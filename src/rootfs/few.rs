//! Lists that mostly have one element or none.

use std::ops::Deref;

/// A list that needs no heap block while it has at most one element, as nearly every list of an
/// inode has. It takes 16 bytes for numbers, where a vector takes 24.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Few<T> {
    #[default]
    None,
    One(T),
    #[allow(
        clippy::box_collection,
        reason = "this is rare, and a vector takes 24 bytes"
    )]
    More(Box<Vec<T>>),
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::More(all) => all,
        }
    }
}

impl<T> Few<T> {
    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        match self {
            Self::None => [].iter_mut(),
            Self::One(one) => std::slice::from_mut(one).iter_mut(),
            Self::More(all) => all.iter_mut(),
        }
    }

    pub(crate) fn push(&mut self, element: T) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(element),
            Self::One(one) => Self::More(Box::new(vec![one, element])),
            Self::More(mut all) => {
                all.push(element);
                Self::More(all)
            }
        };
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        match self {
            Self::More(all) => all.retain(keep),
            Self::One(one) if !keep(one) => *self = Self::None,
            _ => {}
        }
    }
}
