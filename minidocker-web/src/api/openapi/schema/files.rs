//! A container's files.

use utoipa::ToSchema;

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Change {
    kind: ChangeKind,
    path: String,
    #[schema(nullable = false)]
    not_utf8: Option<Vec<String>>,
    /// The bytes of the path, percent-encoded, if these are not UTF-8.
    #[schema(nullable = false)]
    path_bytes: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Place {
    path: String,
    kind: FileKind,
    #[schema(required)]
    entries: Option<Vec<FileEntry>>,
    /// Whether the folder has more names, to be listed with `after` the last of these.
    truncated: bool,
    deleted: Vec<String>,
    #[schema(nullable = false)]
    file: Option<FileEntry>,
    /// The fields whose bytes were no text.
    #[schema(nullable = false)]
    not_utf8: Option<Vec<String>>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum FileKind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    CharacterDevice,
    BlockDevice,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum FileMount {
    Volume,
    Host,
    System,
}

#[derive(ToSchema)]
struct FileEntry {
    name: String,
    /// The bytes of the name, percent-encoded, if these are not UTF-8.
    #[schema(nullable = false)]
    name_bytes: Option<String>,
    kind: FileKind,
    size: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    #[schema(format = DateTime)]
    modified: String,
    #[schema(nullable = false)]
    target: Option<String>,
    #[schema(nullable = false)]
    not_utf8: Option<Vec<String>>,
    mount: Option<FileMount>,
    #[schema(required)]
    change: Option<ChangeKind>,
}

#[derive(ToSchema)]
pub(in crate::api::openapi) struct ArchiveSummary {
    bytes: u64,
    entries: u64,
}
