//! A container's files.

use utoipa::ToSchema;

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Change {
    kind: ChangeKind,
    path: String,
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
    deleted: Vec<String>,
    #[schema(nullable = false)]
    file: Option<FileEntry>,
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
struct FileEntry {
    name: String,
    kind: FileKind,
    size: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    #[schema(format = DateTime)]
    modified: String,
    #[schema(nullable = false)]
    target: Option<String>,
    #[schema(required)]
    change: Option<ChangeKind>,
}

#[derive(ToSchema)]
pub(in crate::api::openapi) struct ArchiveSummary {
    bytes: u64,
    entries: u64,
}
