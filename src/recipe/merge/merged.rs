//! The sections of several documents: which one extends which.

use std::collections::BTreeMap;

use super::Layer;
use crate::error::{Diagnostic, Span};
use crate::recipe::nearest::quoted;

/// The sections of the documents so far, those that extend merged into what they extend.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) layers: Vec<Layer>,
    /// Where the sections of a kind and an argument are in `layers`.
    places: BTreeMap<(&'static str, String), Vec<usize>>,
}

impl Merged {
    /// Adds the sections of one document to those that it inherits.
    pub(super) fn add(&mut self, layers: Vec<Layer>, mistakes: &mut Vec<Diagnostic>) {
        let inherited = self.layers.len();
        let mut extended: BTreeMap<usize, Span> = BTreeMap::new();
        for layer in layers {
            let places = self
                .places
                .entry((layer.schema.name, layer.argument.clone()))
                .or_default();
            // Places grow, so inherited ones come first.
            let targets = places.iter().copied().take_while(|at| *at < inherited);
            let targets: Vec<_> = targets.take(2).collect();
            let header = quoted(&layer.header());
            match targets.as_slice() {
                [] => {
                    let twin = places.first().map(|at| self.layers[*at].at.clone());
                    match twin.filter(|_| layer.schema.is_waiver()) {
                        Some(twin) => mistakes.push(
                            Diagnostic::new(layer.at, format!("{header} is here twice"))
                                .label("the second one")
                                .related(twin, "the first one")
                                .help("delete one of them"),
                        ),
                        None => {
                            places.push(self.layers.len());
                            self.layers.push(layer);
                        }
                    }
                }
                [target] => match extended.get(target) {
                    Some(first) => mistakes.push(
                        Diagnostic::new(
                            layer.at,
                            format!("{header} extends a section that another one extends already"),
                        )
                        .label("the second one")
                        .related(first.clone(), "the first one")
                        .related(self.layers[*target].at.clone(), "what they extend")
                        .help("write one section of both"),
                    ),
                    None => {
                        extended.insert(*target, layer.at.clone());
                        self.layers[*target].extend(layer);
                    }
                },
                [first, second, ..] => mistakes.push(
                    Diagnostic::new(
                        layer.at,
                        format!("{header} could extend more than one section"),
                    )
                    .related(self.layers[*first].at.clone(), "the first one")
                    .related(self.layers[*second].at.clone(), "the second one")
                    .help("write one section of those"),
                ),
            }
        }
    }
}
