//! The groups that are as good as root.

/// Groups whose members can become root, or read and write what is root's alone: by sudo, su or polkit, by a daemon that works
/// for them as root, or by devices and files.
pub(crate) const AS_GOOD_AS_ROOT: [&str; 17] = [
    "admin",
    "disk",
    "docker",
    "empower",
    "fleet",
    "incus",
    "incus-admin",
    "kmem",
    "libvirt",
    "lxd",
    "mem",
    "rkt",
    "rkt-admin",
    "root",
    "shadow",
    "sudo",
    "wheel",
];

#[cfg(test)]
mod tests {
    use super::AS_GOOD_AS_ROOT;
    use crate::recipe::Recipe;

    #[test]
    fn the_shipped_recipe_takes_its_user_out_of_all_of_them() {
        let recipe = Recipe::shipped("unprivileged-core").unwrap();
        let lines = recipe.text.lines();
        let groups: Vec<&str> = lines
            .filter_map(|line| line.strip_prefix("Group="))
            .collect();
        assert_eq!(groups, AS_GOOD_AS_ROOT);
    }
}
