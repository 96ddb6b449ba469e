//! Every request that the API takes.

use serde_json::json;

use super::document::{Route, delete, flag, get, one_of, parameter, post, put, text, time, whole};
use super::schema as s;
use crate::api::events::LAST_ID;

pub(super) fn all() -> Vec<Route> {
    let mut all = server();
    all.extend(containers());
    all.extend(life());
    all.extend(looks());
    all.extend(commands());
    all.extend(files());
    all.extend(templates());
    all.extend(images());
    all.extend(networks());
    all
}

fn server() -> Vec<Route> {
    vec![
        get("/healthz", "Whether the server is well").json::<s::Health>(200, "It is").open(),
        get("/login", "Enter by the token")
            .need(parameter("token", text(), "What the server printed at its start"))
            .nothing(303, "To the page, with a cookie")
            .open(),
        get("/api/session", "How one entered").json::<s::Session>(200, "How"),
        get("/api/system", "What this machine is and can do, and what would mend what it cannot")
            .json::<s::System>(200, "The machine"),
        get("/api/disk", "What containers and images take on disk")
            .json::<s::DiskUsage>(200, "In bytes"),
        post("/api/prune", "Delete all containers that are not alive")
            .json::<s::Pruned>(200, "What is gone"),
        get("/api/events", "What happens, as server-sent events that can be resumed")
            .query(parameter("since", whole(0, LAST_ID), "After the event with this id"))
            .query(parameter("name", text(), "Only of this container"))
            .query(parameter("follow", flag(), "false for those kept, as a list"))
            .json::<Vec<s::Event>>(200, "The events")
            .stream(),
        get("/api/live", "The list, kept up to date, as server-sent events").stream(),
        get("/metrics", "Figures for Prometheus").kind("text/plain", "Figures"),
        get("/api/openapi.json", "This document").kind("application/json", "OpenAPI 3.1"),
        get("/api/docs", "This document for people").kind("text/html", "A page"),
        get("/api/experiments", "What can be switched off, and a command that shows it")
            .json::<Vec<s::Experiment>>(200, "The experiments"),
        post("/api/experiments", "Run a command with and without one isolation feature")
            .body::<s::ExperimentRequest>(json!({"feature": "uts"}))
            .json::<s::ExperimentResult>(200, "What came of both")
            .or(&[409, 501, 504]),
    ]
}

fn containers() -> Vec<Route> {
    let spec = json!({"name": "hello", "command": "echo hello", "mem_limit_mb": 64});
    vec![
        get("/api/containers", "All containers, by name")
            .query(parameter("status", text(), "One or more states, with commas between them"))
            .query(parameter("name", text(), "A part of the name"))
            .query(parameter("image", text(), "An image"))
            .query(parameter("search", text(), "Words such as python, env:MODE=dev, volume:/srv"))
            .json::<Vec<s::Listed>>(200, "The containers"),
        post("/api/containers", "Make a container")
            .body::<s::Spec>(spec.clone())
            .json::<s::Container>(201, "Made")
            .or(&[404, 409, 501]),
        post("/api/containers/validate", "Everything that is wrong with a specification")
            .body::<s::AnyObject>(spec.clone())
            .json::<s::Validation>(200, "Each field at fault"),
        post("/api/containers/import", "Make a container from an exported configuration")
            .query(parameter("name", text(), "Another name"))
            .body::<s::Spec>(spec)
            .json::<s::Container>(201, "Made")
            .or(&[404, 409, 501]),
        post("/api/containers/bulk", "One action on several containers")
            .body::<s::Bulk>(json!({"action": "stop", "names": ["hello"], "timeout": 1}))
            .json::<s::BulkResults>(200, "A result for each"),
        get("/api/containers/{name}", "One container").json::<s::Container>(200, "The container"),
        delete("/api/containers/{name}", "Delete a container")
            .query(parameter("force", flag(), "Kill it first if it runs"))
            .nothing(204, "Gone")
            .or(&[409, 504]),
    ]
}

fn life() -> Vec<Route> {
    let done =
        |route: Route| route.json::<s::Container>(200, "What it is then").or(&[409, 501, 504]);
    let timeout = || parameter("timeout", whole(0, 3600), "Seconds until it is killed (10)");
    vec![
        done(post("/api/containers/{name}/start", "Start it").or(&[422])),
        done(post("/api/containers/{name}/stop", "Stop it").query(timeout())),
        done(
            post("/api/containers/{name}/restart", "Stop and start it").query(timeout()).or(&[422]),
        ),
        done(post("/api/containers/{name}/kill", "Send it a signal").query(parameter(
            "signal",
            text(),
            "SIGHUP, HUP, 1 or SIGRTMIN+3 (KILL)",
        ))),
        done(post("/api/containers/{name}/pause", "Freeze it")),
        done(post("/api/containers/{name}/resume", "Let it go on")),
        post("/api/containers/{name}/rename", "Refused: says how to make a copy").or(&[409]),
    ]
}

fn looks() -> Vec<Route> {
    vec![
        get("/api/containers/{name}/logs", "What it printed")
            .query(parameter("tail", whole(0, u32::MAX.into()), "Only the last lines"))
            .query(parameter("since", time(), "Only from this time on"))
            .query(parameter("stream", one_of(&["stdout", "stderr"]), "Only this stream"))
            .query(parameter("timestamps", flag(), "With the time before each line"))
            .query(parameter("raw", flag(), "Exactly the bytes that were written"))
            .query(parameter("format", one_of(&["text", "json"]), "How it is written"))
            .query(parameter("follow", flag(), "As it comes, as server-sent events"))
            .kind("text/plain", "The log")
            .json::<s::Log>(200, "The log")
            .stream(),
        get("/api/containers/{name}/stats", "What it uses")
            .query(parameter("window", text(), "Seconds over which the CPU percentage is taken"))
            .query(parameter("interval", whole(1, 3600), "Seconds between two, with follow"))
            .query(parameter("follow", flag(), "Every second, as server-sent events"))
            .json::<s::Stats>(200, "The figures")
            .stream(),
        get("/api/containers/{name}/plan", "What a start will do")
            .json::<s::Plan>(200, "The steps"),
        get("/api/containers/{name}/trace", "What the last start did")
            .json::<s::Trace>(200, "The steps, with times and answers"),
        get("/api/containers/{name}/xray", "What the kernel knows of it, beside the host")
            .json::<s::Xray>(200, "Everything that can be seen"),
        get("/api/containers/{name}/diff", "What it changed of its image's files")
            .query(parameter(
                "limit",
                whole(1, 100_000),
                "At most so many, those near the root first (without it, more than 100000 are \
                 refused); if there are more, the answer's header Minidocker-Truncated is true",
            ))
            .json::<Vec<s::Change>>(200, "The changes")
            .or(&[501]),
        get("/api/containers/{name}/export", "Its configuration")
            .json::<s::ExportedConfig>(200, "To be imported elsewhere"),
    ]
}

fn commands() -> Vec<Route> {
    vec![
        post("/api/containers/{name}/exec", "Execute a command in it, to its end")
            .body::<s::ExecRequest>(json!({"command": "ls -la /", "timeout": 5}))
            .json::<s::ExecOutput>(200, "What it wrote and how it ended")
            .or(&[409, 422, 501]),
        get("/api/containers/{name}/exec/ws", "A WebSocket to a new command in it")
            .query(parameter("command", text(), "What to execute (sh)"))
            .query(parameter("tty", flag(), "Whether with a terminal (true)"))
            .query(parameter("rows", whole(1, 65_535), "Lines of the terminal"))
            .query(parameter("columns", whole(1, 65_535), "Characters in a line"))
            .query(parameter("user", text(), "uid or uid:gid"))
            .query(parameter("working_dir", text(), "Where it starts"))
            .query(parameter("env", text(), "KEY=VALUE; may be given several times"))
            .nothing(101, "Connected")
            .or(&[429]),
        get("/api/containers/{name}/attach/ws", "A WebSocket to its own command")
            .nothing(101, "Connected")
            .or(&[429]),
    ]
}

fn files() -> Vec<Route> {
    let path =
        || parameter("path", text(), "A full path in the container; any bytes, percent-encoded");
    vec![
        get("/api/containers/{name}/files", "A folder or file")
            .need(path())
            .query(parameter("after", text(), "List a folder from behind this name on"))
            .query(parameter("limit", whole(1, 100_000), "The most names of a folder (10000)"))
            .json::<s::Place>(200, "What is there")
            .or(&[501]),
        delete("/api/containers/{name}/files", "Remove a file or folder")
            .need(path())
            .nothing(204, "Gone")
            .or(&[501]),
        get("/api/containers/{name}/files/content", "The bytes of a file")
            .need(path())
            .kind("application/octet-stream", "The bytes")
            .or(&[429, 501]),
        put("/api/containers/{name}/files/content", "Write a file")
            .need(path())
            .query(parameter("mode", text(), "Permissions in octal, e.g. 644"))
            .query(parameter("parents", flag(), "Make missing folders"))
            .bytes("application/octet-stream")
            .nothing(204, "Written")
            .or(&[501]),
        put("/api/containers/{name}/files/folder", "Make a folder")
            .need(path())
            .nothing(204, "Made")
            .or(&[501]),
        get("/api/containers/{name}/archive", "Its files as a tar archive")
            .query(parameter(
                "content",
                one_of(&["merged", "changes"]),
                "All that it sees, or what it changed",
            ))
            .kind("application/x-tar", "The archive")
            .or(&[501]),
        put("/api/containers/{name}/archive", "Replace what it changed by an archive")
            .bytes("application/x-tar")
            .json::<s::ArchiveSummary>(200, "What was unpacked")
            .or(&[409, 501]),
    ]
}

fn templates() -> Vec<Route> {
    let template = json!({"name": "mine", "spec": {"command": "echo hello"}});
    vec![
        get("/api/templates", "All templates").json::<Vec<s::Template>>(200, "The templates"),
        post("/api/templates", "Save a template")
            .body::<s::NewTemplate>(template.clone())
            .json::<s::Template>(201, "Saved"),
        get("/api/templates/{name}", "One template").json::<s::Template>(200, "The template"),
        put("/api/templates/{name}", "Put another in its place")
            .body::<s::NewTemplate>(template)
            .json::<s::Template>(200, "Replaced"),
        delete("/api/templates/{name}", "Delete a template").nothing(204, "Gone"),
    ]
}

fn images() -> Vec<Route> {
    vec![
        get("/api/images", "All images").json::<Vec<s::Image>>(200, "The images"),
        post("/api/images", "Make an image of a tar archive")
            .need(parameter("name", text(), "Its name"))
            .bytes("application/x-tar")
            .json::<s::Image>(201, "Made")
            .or(&[409, 501]),
        get("/api/images/{name}", "One image").json::<s::Image>(200, "The image"),
        delete("/api/images/{name}", "Delete an image").nothing(204, "Gone").or(&[409]),
    ]
}

fn networks() -> Vec<Route> {
    vec![
        get("/api/networks", "The common bridge, and the networks that were made")
            .json::<Vec<s::NetworkOfContainers>>(200, "The networks")
            .or(&[501]),
        post("/api/networks", "Make a network, whose containers find each other by name")
            .body::<s::NewNetwork>(json!({"name": "backend", "subnet": "10.99.0.0/24"}))
            .json::<s::NetworkOfContainers>(201, "Made")
            .or(&[409, 501]),
        get("/api/networks/{name}", "One network")
            .json::<s::NetworkOfContainers>(200, "The network")
            .or(&[501]),
        delete("/api/networks/{name}", "Delete a network that no container was made for")
            .nothing(204, "Gone")
            .or(&[409, 501]),
    ]
}
