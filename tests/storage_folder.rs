//! The folder that stands in for S3 behaves as S3 does, as far as voxproof asks.
#![cfg(feature = "http")]

use std::path::PathBuf;

use voxproof::storage::{Attributes, Created, FolderStore, ObjectRef, ObjectStore, StoreError};

const WAV: Attributes<'static> = Attributes {
    content_type: "audio/wav",
    language: Some("ta"),
};

fn store(name: &str) -> (FolderStore, PathBuf) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    (FolderStore::open(&folder).unwrap(), folder)
}

#[tokio::test]
async fn an_object_is_written_once_and_read_back() {
    let (store, _) = store("folder-once");
    let object = ObjectRef::new("calls", "2026/a.wav");
    assert_eq!(store.head(&object).await, Err(StoreError::NotFound));
    assert_eq!(store.get(&object, 10).await, Err(StoreError::NotFound));
    let create = |body: &str| store.create("calls", "2026/a.wav", WAV, body.as_bytes().to_vec());
    assert_eq!(create("first").await, Ok(Created::New));
    assert_eq!(create("second").await, Ok(Created::Existed));
    let now = store.head(&object).await.unwrap();
    assert_eq!(now.size, Some(5));
    let fetched = store.get(&now, 5).await.unwrap();
    assert_eq!(
        (&fetched.bytes[..], fetched.language.as_deref()),
        (&b"first"[..], Some("ta"))
    );
    let limit = StoreError::TooLarge { size: 5, limit: 4 };
    assert_eq!(store.get(&now, 4).await, Err(limit));
}

#[tokio::test]
async fn another_state_than_the_one_named_is_not_read() {
    let (store, folder) = store("folder-state");
    store
        .create("calls", "a", WAV, b"first".to_vec())
        .await
        .unwrap();
    let first = store.head(&ObjectRef::new("calls", "a")).await.unwrap();
    std::fs::write(folder.join("calls/a"), "longer").unwrap();
    assert_eq!(store.get(&first, 10).await, Err(StoreError::Changed));
    assert_eq!(
        store
            .get(&ObjectRef::new("calls", "a"), 10)
            .await
            .unwrap()
            .bytes,
        b"longer"
    );
}

#[tokio::test]
async fn no_key_leaves_the_folder() {
    let (store, folder) = store("folder-inside");
    let keys = [
        "../out",
        "a/../../out",
        "/etc/x",
        ".",
        "a//b",
        "~unfinished/x",
        "नमस्ते +%.mp3",
        "..\\x",
    ];
    for key in keys {
        assert_eq!(
            store.create("calls", key, WAV, key.into()).await,
            Ok(Created::New),
            "{key}"
        );
        let read = store.get(&ObjectRef::new("calls", key), 100).await.unwrap();
        assert_eq!(read.bytes, key.as_bytes());
    }
    let mut sorted: Vec<_> = keys.map(str::to_owned).into();
    sorted.sort();
    let page = store.list("calls", "", None, 100).await.unwrap();
    assert_eq!(page.keys, sorted);
    assert!(!folder.parent().unwrap().join("out").exists());
    let outside = store.create("../calls", "x", WAV, Vec::new()).await;
    assert_eq!(outside, Ok(Created::New));
    assert!(!folder.parent().unwrap().join("calls").exists());
}

#[tokio::test]
async fn listings_come_in_order_and_in_pieces() {
    let (store, _) = store("folder-list");
    for key in ["b/2", "a/1", "b/1", "b-1", "b/10", "c"] {
        store.create("calls", key, WAV, Vec::new()).await.unwrap();
    }
    let list = async |prefix: &str, after: Option<&str>, limit| {
        let page = store.list("calls", prefix, after, limit).await.unwrap();
        (page.keys.join(" "), page.more)
    };
    assert_eq!(
        list("", None, 100).await,
        ("a/1 b-1 b/1 b/10 b/2 c".into(), false)
    );
    assert_eq!(list("b/", None, 2).await, ("b/1 b/10".into(), true));
    assert_eq!(list("b/", Some("b/10"), 2).await, ("b/2".into(), false));
    assert_eq!(list("b/1", None, 9).await, ("b/1 b/10".into(), false));
    assert_eq!(list("x/", None, 9).await, (String::new(), false));
    let empty = store.list("none", "", None, 9).await.unwrap();
    assert!(empty.keys.is_empty());
}
