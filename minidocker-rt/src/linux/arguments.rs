//! What execve(2) takes of words and variables (`man 2 execve`, "Limits on size of arguments
//! and environment"), told before anything is made.

use nix::sys::resource::{Resource as Limit, getrlimit};

use crate::error::{Error, Result};
use crate::spec::{EnvVar, Resource, Rlimit};

/// The most bytes of all words and variables, whatever the limit of the stack.
const MOST: u64 = 6 << 20;

/// The least that the kernel allows, however small the stack: 32 pages, as for a single word.
fn longest_word() -> u64 {
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    32 * page.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(4096)
}

/// The limit of the stack that a container's command will have.
pub(crate) fn stack(rlimits: &[Rlimit]) -> u64 {
    match rlimits.iter().find(|rlimit| rlimit.resource == Resource::Stack) {
        Some(rlimit) => rlimit.soft,
        None => getrlimit(Limit::RLIMIT_STACK).map_or(u64::MAX, |(soft, _)| soft),
    }
}

/// Refuses words and variables that the kernel would refuse to a process whose stack has this
/// limit. Those of the image come on top: when they are what is too much, the exec tells.
pub(crate) fn check(words: &[String], env: &[EnvVar], stack: u64) -> Result<()> {
    let longest = longest_word();
    // Each ends with a NUL byte.
    let of_words = words.iter().map(|word| word.len() as u64 + 1);
    let of_env = env.iter().map(|var| (var.name().len() + var.value().len()) as u64 + 2);
    let long = |field, what: &str, start: &str, bytes: u64| Error::InvalidSpec {
        field,
        value: format!("{}…", start.chars().take(40).collect::<String>()),
        why: format!("{what} has {bytes} bytes, and the kernel takes {} at most", longest - 1),
        hint: "Give large data in a file, in a volume or through the standard input.".into(),
    };
    for (word, bytes) in words.iter().zip(of_words.clone()) {
        if bytes > longest {
            return Err(long("command", "a word of it", word, bytes - 1));
        }
    }
    for (var, bytes) in env.iter().zip(of_env.clone()) {
        if bytes > longest {
            return Err(long("env_vars", "the variable", var.name(), bytes - 1));
        }
    }
    let most = (stack / 4).min(MOST).max(longest);
    // A pointer goes with each.
    let all = of_words.chain(of_env).fold(0, |all, bytes| all + bytes + 8);
    if all <= most {
        return Ok(());
    }
    Err(Error::InvalidSpec {
        field: "command",
        value: format!("{} words and {} variables", words.len(), env.len()),
        why: format!("together they take {all} bytes, and the kernel gives them {most}"),
        hint: "Give large data in a file, in a volume or through the standard input. A quarter of \
               the stack's limit (rlimits: stack) counts, up to 6 MiB."
            .into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(words: &[String], env: &[EnvVar], stack: u64) -> String {
        check(words, env, stack).unwrap_err().to_string()
    }

    #[test]
    fn what_the_kernel_does_not_take_is_refused_with_its_number() {
        let longest = longest_word() as usize - 1;
        let word = |length| "x".repeat(length);
        check(&[word(longest)], &[], 8 << 20).unwrap();
        let told = refusal(&[word(longest + 1)], &[], 8 << 20);
        assert!(told.contains(&longest.to_string()) && told.len() < 300, "{told}");
        let var = EnvVar::new("A", &word(longest - 1)).unwrap();
        assert!(refusal(&[], &[var], 8 << 20).starts_with("env_vars"));
        let words = vec![word(100_000); 11];
        check(&words, &[], 8 << 20).unwrap();
        assert!(refusal(&words, &[], 4 << 20).contains("1048576"));
        assert!(refusal(&vec![word(100_000); 70], &[], u64::MAX).contains("6291456"));
    }
}
