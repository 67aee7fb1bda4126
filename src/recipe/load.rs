//! From names to texts: files, shipped recipes, and what they extend.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Diagnostic, Error, Result, Source, Span};

use super::document::{self, Document};
use super::lexer::{Placed, span};
use super::merge::merge;
use super::nearest::{nearest_or_all, quoted};
use super::origin::{Identity, Origin, Text};
use super::params::{Params, check_names, check_values};
use super::schema::RuleKind;
use super::{Part, Recipe};

/// A recipe that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Its name, without `.ini`.
    pub name: &'static str,
    /// Its whole text.
    pub text: &'static str,
}

/// Reads recipes: it knows the rule kinds, the shipped recipes, and what the caller sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loader<'a> {
    /// The rule kinds that a recipe can use.
    pub(crate) kinds: &'a [&'static RuleKind],
    /// The recipes that can be named without a path.
    pub(crate) library: &'a [Shipped],
    /// Parameters and the values that they get in place of their defaults.
    pub(crate) sets: &'a [(String, String)],
}

/// How many recipes may extend one another in a row.
const DEEPEST: usize = 16;

/// How many mistakes are shown: a file that is not a recipe has one in every line.
const MOST: usize = 100;

impl Loader<'_> {
    /// Reads recipes, each a path or the name of a shipped one, and combines them by
    /// [`Recipe::and`]. A parameter that is set must be one of any of them.
    pub(crate) fn load_all(&self, specs: &[impl AsRef<Path>]) -> Result<Recipe> {
        let origins = specs.iter().map(|spec| self.find(spec.as_ref()));
        let origins = origins.collect::<Result<Vec<_>>>()?;
        let reads = origins.into_iter().map(|origin| {
            let text = origin.read()?;
            Ok((origin, text))
        });
        self.combine(reads.collect::<Result<Vec<_>>>()?)
    }

    /// Reads recipes each by itself. A parameter that is set must be one of any of them, unless one
    /// cannot be read.
    pub(crate) fn load_each(&self, specs: &[impl AsRef<Path>]) -> Result<Vec<Result<Recipe>>> {
        check_values(self.sets)?;
        let mut names = Vec::new();
        let mut read = |spec: &Path| {
            let origin = self.find(spec)?;
            let text = origin.read()?;
            self.merged(vec![(origin, text)], &mut names)
        };
        let recipes: Vec<_> = specs.iter().map(|spec| read(spec.as_ref())).collect();
        if recipes.iter().all(Result::is_ok) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            check_names(self.sets, &names)?;
        }
        Ok(recipes)
    }

    /// Reads a recipe from a text; `name` is what mistakes in it are shown with.
    ///
    /// It can extend shipped recipes only, as it stands beside no other.
    pub(crate) fn parse(&self, name: &str, text: &str) -> Result<Recipe> {
        self.combine(vec![(Origin::text(name), Ok(text.to_owned()))])
    }

    /// A shipped recipe by its name, with or without `.ini`.
    pub(crate) fn shipped(&self, name: &str) -> Result<Shipped> {
        let found = self.in_library(name).copied();
        found.ok_or_else(|| Error::Usage(self.not_shipped(name)))
    }

    /// A rule kind by its name.
    pub(crate) fn kind(&self, name: &str) -> Result<&'static RuleKind> {
        let found = self.kinds.iter().find(|schema| schema.name == name);
        found.copied().ok_or_else(|| {
            let names = self.kinds.iter().map(|schema| schema.name);
            let help = nearest_or_all(name, names, "the rules are").unwrap_or_default();
            Error::Usage(format!("no rule is called {}; {help}", quoted(name)))
        })
    }

    fn combine(&self, reads: Vec<(Origin, Text)>) -> Result<Recipe> {
        let mut names = Vec::new();
        check_values(self.sets)?;
        let recipe = self.merged(reads, &mut names)?;
        check_names(
            self.sets,
            &names.iter().map(String::as_str).collect::<Vec<_>>(),
        )?;
        Ok(recipe)
    }

    /// Merges each with what it extends, and combines them. Adds the names of their parameters.
    fn merged(&self, reads: Vec<(Origin, Text)>, names: &mut Vec<String>) -> Result<Recipe> {
        let mut mistakes = Vec::new();
        let mut recipe: Option<Recipe> = None;
        for (origin, text) in reads {
            let mut graph = Graph {
                loader: self,
                sources: Vec::new(),
                documents: Vec::new(),
                visited: BTreeSet::new(),
                chain: Vec::new(),
                incomplete: false,
                mistakes: Vec::new(),
            };
            graph.visit(origin, text, None);
            let read = graph.finish(names, &mut mistakes);
            recipe = Some(match recipe {
                None => read,
                Some(earlier) => earlier.and(read),
            });
        }
        let recipe = recipe.ok_or_else(|| Error::Usage("no recipe is given".to_owned()))?;
        if !mistakes.is_empty() {
            if let Some(next) = mistakes.get(MOST).map(|mistake| mistake.at.clone()) {
                let message = format!("{} more mistakes follow", mistakes.len() - MOST);
                mistakes.truncate(MOST);
                mistakes.push(Diagnostic::new(next, message));
            }
            return Err(Error::Recipe(mistakes));
        }
        Ok(recipe)
    }

    /// A name with a `/`, or with `.ini` at its end where such a file exists, is a file's; any
    /// other is a shipped recipe's.
    fn find(&self, spec: &Path) -> Result<Origin> {
        let text = spec.to_str();
        let is_path = text.is_none_or(|text| text.contains('/'));
        if is_path || (spec.extension().is_some_and(|e| e == "ini") && spec.exists()) {
            return Ok(Origin::file(spec.to_owned()));
        }
        let name = text.unwrap_or_default();
        match self.in_library(name) {
            Some(shipped) => Ok(Origin::shipped(shipped)),
            None if spec.exists() => Err(Error::Usage(format!(
                "{}; to read the file, write `./{name}`",
                self.not_shipped(name)
            ))),
            None if name.ends_with(".ini") => Err(Error::Usage(format!(
                "no file {} is here, and {}",
                quoted(name),
                self.not_shipped(name)
            ))),
            None => Err(Error::Usage(self.not_shipped(name))),
        }
    }

    fn in_library(&self, name: &str) -> Option<&Shipped> {
        self.library
            .iter()
            .find(|shipped| shipped.name == stem(name))
    }

    fn shipped_names(&self, name: &str) -> Option<String> {
        let names = self.library.iter().map(|shipped| shipped.name);
        nearest_or_all(stem(name), names, "shipped are")
    }

    fn not_shipped(&self, name: &str) -> String {
        let mut message = format!("no recipe {} is shipped", quoted(name));
        if let Some(help) = self.shipped_names(name) {
            message += &format!("; {help}");
        }
        message
    }
}

fn stem(name: &str) -> &str {
    name.strip_suffix(".ini").unwrap_or(name)
}

/// A recipe and those that it extends, as they are being read.
struct Graph<'a> {
    loader: &'a Loader<'a>,
    sources: Vec<Arc<Source>>,
    /// Each after those that it extends.
    documents: Vec<Document>,
    visited: BTreeSet<Identity>,
    chain: Vec<(Identity, String)>,
    incomplete: bool,
    mistakes: Vec<Diagnostic>,
}

impl Graph<'_> {
    /// Reads a recipe, which may be extended by another.
    fn visit(&mut self, origin: Origin, text: Text, extended_at: Option<&Placed>) {
        let (text, refused) = match text {
            Ok(text) => (text, None),
            Err(no_text) => (no_text.readable, Some((no_text.message, no_text.help))),
        };
        let source = Arc::new(Source::new(&origin.name, text));
        self.sources.push(Arc::clone(&source));
        self.visited.insert(origin.identity.clone());
        let mut mistakes = Vec::new();
        let mut document = match &refused {
            None => document::read(&source, self.loader.kinds, &mut mistakes),
            Some((message, help)) => {
                let end = source.text.len();
                let mistake = Diagnostic::new(span(&source, end..end), message);
                mistakes.push(mistake.help(*help));
                Document::unread()
            }
        };
        // A recipe may come from anyone, and name any file: show nothing of a file that is not one.
        if let Some(name) = extended_at
            && !document.is_recipe
        {
            let why = refused.map_or("it has no section `[Recipe]`".into(), |(why, _)| why);
            let message = format!("{} is not a recipe: {why}", quoted(&name.text));
            mistakes = vec![Diagnostic::new(name.at.clone(), message)];
            document = Document::unread();
        }
        self.incomplete |= document.unread;
        self.mistakes.append(&mut mistakes);
        self.chain.push((origin.identity, origin.name));
        for extended in &document.extends {
            if let Err(mistake) = self.extend(extended, origin.directory.as_deref()) {
                self.mistakes.push(mistake);
                self.incomplete = true;
            }
        }
        self.chain.pop();
        self.documents.push(document);
    }

    fn extend(&mut self, name: &Placed, directory: Option<&Path>) -> Result<(), Diagnostic> {
        let mistake = |message: String| Diagnostic::new(name.at.clone(), message);
        if name.text.contains("${") {
            return Err(mistake("`Extends=` cannot use parameters".to_owned())
                .help("write the recipe's name: parameters are known only when all are read"));
        }
        let beside = |name: &str| {
            let path = directory?.join(name);
            path.is_file().then(|| Origin::file(path))
        };
        let shipped = || self.loader.in_library(&name.text).map(Origin::shipped);
        let Some(origin) = beside(&name.text)
            .or_else(shipped)
            .or_else(|| beside(&format!("{}.ini", name.text)))
        else {
            return Err(self.not_found(name, directory));
        };
        if let Some(at) = self
            .chain
            .iter()
            .position(|(identity, _)| *identity == origin.identity)
        {
            let names = self.chain[at..].iter().map(|(_, name)| name.as_str());
            let chain: Vec<_> = names.chain([origin.name.as_str()]).collect();
            return Err(mistake("this recipe extends itself".to_owned())
                .label("leads back here")
                .help(format!("take one out of {}", chain.join(" → "))));
        }
        if self.visited.contains(&origin.identity) {
            return Ok(());
        }
        if self.chain.len() >= DEEPEST {
            return Err(
                mistake(format!("more than {DEEPEST} recipes extend one another"))
                    .help("join some of them"),
            );
        }
        let text = origin.read().map_err(|error| mistake(error.to_string()))?;
        self.visit(origin, text, Some(name));
        Ok(())
    }

    fn not_found(&self, name: &Placed, directory: Option<&Path>) -> Diagnostic {
        let message = match directory {
            Some(_) => format!(
                "no recipe {} is beside this one or shipped",
                quoted(&name.text)
            ),
            None => format!("no recipe {} is shipped", quoted(&name.text)),
        };
        let mut mistake = Diagnostic::new(name.at.clone(), message).label("not found");
        mistake.help = self.loader.shipped_names(&name.text);
        mistake
    }

    /// Fills in and merges what was read.
    fn finish(mut self, names: &mut Vec<String>, mistakes: &mut Vec<Diagnostic>) -> Recipe {
        let found = &mut self.mistakes;
        let documents = || self.documents.iter();
        let hidden = self.incomplete || documents().any(|document| document.hides_params);
        let params = Params::new(documents(), self.loader.sets, hidden, found);
        let (rules, waivers) = merge(
            documents(),
            self.loader.kinds,
            &params,
            self.incomplete,
            found,
        );
        let mut part = Part {
            name: self
                .sources
                .first()
                .map(|s| s.name.clone())
                .unwrap_or_default(),
            summary: None,
            os_ids: Vec::new(),
            kind: None,
            inits: Vec::new(),
        };
        if let Some(top) = self.documents.last() {
            let mut fill = |placed: &Placed| params.value(placed, found).map(|filled| filled.text);
            part.summary = top.summary.as_ref().and_then(&mut fill);
            part.os_ids = top.os_ids.iter().filter_map(&mut fill).collect();
            part.kind = top.image_kind.as_ref().and_then(&mut fill);
            part.inits = top.inits.iter().filter_map(&mut fill).collect();
        }
        names.extend(params.names().map(str::to_owned));
        let sources = &self.sources;
        let order = |at: &Span| {
            let source = sources
                .iter()
                .position(|source| Arc::ptr_eq(source, &at.source));
            (source, at.start)
        };
        found.sort_by_cached_key(|mistake| order(&mistake.at));
        mistakes.append(found);
        Recipe {
            parts: vec![part],
            rules,
            waivers,
            sources: self.sources,
            chosen_for: None,
        }
    }
}
