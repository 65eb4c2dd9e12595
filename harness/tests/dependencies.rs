//! Who may import whom (ARCHITECTURE.md): the system under test never knows its judges, and the
//! specification never looks at the implementation.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

#[test]
fn dependencies_between_our_crates_point_one_way() {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata runs where cargo test does");
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let imports: BTreeMap<&str, BTreeSet<&str>> = metadata
        .packages
        .iter()
        .map(|package| {
            let imported = package
                .dependencies
                .iter()
                .filter(|d| d.kind != DependencyKind::Build)
                .map(|d| d.name.as_str())
                .filter(|name| ours.contains(name))
                .collect();
            (package.name.as_str(), imported)
        })
        .collect();
    let allowed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::from([
        ("plumb-histories", BTreeSet::new()),
        ("plumb-checkers", BTreeSet::from(["plumb-histories"])),
        ("plumb-raft", BTreeSet::new()),
        ("plumb-model", BTreeSet::new()),
        (
            "plumb-harness",
            BTreeSet::from([
                "plumb-checkers",
                "plumb-histories",
                "plumb-model",
                "plumb-raft",
            ]),
        ),
    ]);
    assert_eq!(imports, allowed);
}
