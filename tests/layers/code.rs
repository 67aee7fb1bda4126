//! The library's modules, and which names each takes from which, tests left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// A module's path below the crate, or a name's: the module and what follows.
type Name = Vec<String>;

/// The modules of the library.
pub(crate) struct Code {
    modules: BTreeMap<Name, Module>,
}

#[derive(Default)]
struct Module {
    file: PathBuf,
    /// Names that stand here for others: of `use`, public or not.
    aliases: BTreeMap<String, Name>,
    /// Every name of the crate that the code has.
    names: BTreeSet<Name>,
}

impl Code {
    /// Parses every file that `lib.rs` leads to.
    pub(crate) fn read() -> Self {
        let mut code = Self {
            modules: BTreeMap::new(),
        };
        code.add_file(&Vec::new(), &super::source().join("lib.rs"));
        assert!(code.modules.len() > 100, "the modules are found");
        code
    }

    /// Every pair of modules of which one has a name that the other defines, names that are passed on followed.
    pub(crate) fn imports(&self) -> BTreeSet<(&Name, &Name)> {
        let mut found = BTreeSet::new();
        for (module, code) in &self.modules {
            for name in &code.names {
                found.insert((module, self.home(name)));
            }
        }
        found
    }

    /// The file that a module's code stands in.
    pub(crate) fn file(&self, module: &Name) -> &Path {
        &self.modules[module].file
    }

    /// The module that defines a name.
    fn home(&self, name: &Name) -> &Name {
        let mut name = name.clone();
        // As often as names are passed on, and no more: a circle of them would not compile.
        for _ in 0..16 {
            let depth = (0..=name.len())
                .rev()
                .find(|n| self.modules.contains_key(&name[..*n]))
                .unwrap();
            let (module, rest) = name.split_at(depth);
            let (module, code) = self.modules.get_key_value(module).unwrap();
            match rest.first().and_then(|first| code.aliases.get(first)) {
                Some(alias) => name = alias.iter().chain(&rest[1..]).cloned().collect(),
                None => return module,
            }
        }
        panic!("{name:?} leads nowhere")
    }

    fn add_file(&mut self, module: &Name, path: &Path) {
        let text = fs::read_to_string(path).unwrap();
        let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let folder = match path.file_name().unwrap().to_str().unwrap() {
            "lib.rs" | "mod.rs" => path.parent().unwrap().to_owned(),
            _ => path.with_extension(""),
        };
        self.add(module, path, &folder, &parsed.items);
    }

    fn add(&mut self, module: &Name, path: &Path, folder: &Path, items: &[Item]) {
        let inner: BTreeSet<String> = items
            .iter()
            .filter_map(|item| match item {
                Item::Mod(inner) => Some(inner.ident.to_string()),
                _ => None,
            })
            .collect();
        let mut reader = Reader {
            module,
            inner: &inner,
            found: Module {
                file: path.to_owned(),
                ..Module::default()
            },
        };
        items.iter().for_each(|item| reader.visit_item(item));
        self.modules.insert(module.clone(), reader.found);
        for item in items {
            let Item::Mod(inner) = item else { continue };
            if is_test(&inner.attrs) {
                continue;
            }
            let name = inner.ident.to_string();
            let below: Name = module.iter().cloned().chain([name.clone()]).collect();
            match &inner.content {
                Some((_, items)) => self.add(&below, path, &folder.join(name), items),
                None => {
                    let plain = folder.join(&name).with_extension("rs");
                    let nested = folder.join(&name).join("mod.rs");
                    self.add_file(&below, if plain.exists() { &plain } else { &nested });
                }
            }
        }
    }
}

struct Reader<'m> {
    module: &'m Name,
    /// The modules that the module declares, by which paths may begin.
    inner: &'m BTreeSet<String>,
    found: Module,
}

impl Reader<'_> {
    /// The name below the crate that a path in the code means, if it is one of the crate.
    fn name(&self, path: &[String]) -> Option<Name> {
        let (first, rest) = path.split_first()?;
        let ups = path.iter().take_while(|part| *part == "super").count();
        let below = |depth: usize, rest: &[String]| {
            self.module[..depth].iter().chain(rest).cloned().collect()
        };
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some(below(self.module.len(), rest)),
            "super" => Some(below(self.module.len().checked_sub(ups)?, &path[ups..])),
            name if self.inner.contains(name) => Some(below(self.module.len(), path)),
            _ => None,
        }
    }

    fn add(&mut self, path: &[String]) {
        let name = self.name(path);
        self.found.names.extend(name);
    }

    fn add_use(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_use(&with(&path.ident), &path.tree),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(before, tree);
                }
            }
            UseTree::Glob(_) => self.add(before),
            UseTree::Name(name) if name.ident == "self" => {
                self.alias(before, &before[before.len() - 1]);
            }
            UseTree::Name(name) => self.alias(&with(&name.ident), &name.ident.to_string()),
            UseTree::Rename(name) => self.alias(&with(&name.ident), &name.rename.to_string()),
        }
    }

    fn alias(&mut self, path: &[String], alias: &str) {
        if let Some(name) = self.name(path) {
            self.found.aliases.insert(alias.to_owned(), name.clone());
            self.found.names.insert(name);
        }
    }

    /// What the arguments of a macro name, which are not parsed.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens.into_iter().map(Some).chain([None]) {
            match &token {
                Some(TokenTree::Ident(ident)) if colons == 2 || path.is_empty() => {
                    path.push(ident.to_string());
                    colons = 0;
                }
                Some(TokenTree::Punct(punct)) if punct.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                }
                _ => {
                    self.add(&path);
                    (path, colons) = (Vec::new(), 0);
                    if let Some(TokenTree::Ident(ident)) = &token {
                        path.push(ident.to_string());
                    }
                }
            }
            if let Some(TokenTree::Group(group)) = token {
                self.add_tokens(group.stream());
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Mod(_) => {}
            Item::Use(item) if !is_test(&item.attrs) => self.add_use(&[], &item.tree),
            Item::Fn(item) if is_test(&item.attrs) => {}
            Item::Impl(item) if is_test(&item.attrs) => {}
            Item::Use(_) => {}
            other => visit::visit_item(self, other),
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if names.len() > 1 {
            self.add(&names);
        }
        visit::visit_path(self, path);
    }

    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.add_tokens(called.tokens.clone());
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|condition| condition == "test")
    })
}
