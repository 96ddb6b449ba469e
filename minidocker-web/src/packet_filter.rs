//! The packet filter of this machine (nftables), as the kernel tells it: which chains there
//! are, and the rules of a table in nft's own words.
//!
//! Only asked, never changed. What we do not know how to say in words is told by its name.

use std::ffi::CStr;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use netlink_bindings::nftables::{
    ExprOps, MetaKeys, Nfgenmsg, OpGetchainDump, OpGetruleDump, PayloadBase,
};
use netlink_bindings::traits::NetlinkRequest;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    socket,
};

/// The larger parts of an answer come in pieces of at most this.
const LONGEST: usize = 32 << 10;

/// The length of a message's header (struct nlmsghdr).
const HEADER: usize = 16;

/// A chain of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    pub table: String,
    pub name: String,
    /// Whether packets that are to be passed on go through it.
    pub forwards: bool,
    /// Whether it drops what no rule of it accepts.
    pub drops: bool,
}

/// A rule, in nft's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub chain: String,
    pub text: String,
}

/// All chains for IPv4, also those for both families.
pub(crate) fn chains() -> io::Result<Vec<Chain>> {
    let mut chains = Vec::new();
    for family in [libc::NFPROTO_IPV4, libc::NFPROTO_INET] {
        let kind = libc::NFT_MSG_GETCHAIN;
        let answer = ask(kind, |body| {
            OpGetchainDump::encode_request(body, &header(family));
        })?;
        chains.extend(answer.iter().filter_map(|body| {
            let (_, chain) = OpGetchainDump::decode_reply(body);
            let hook = chain.get_hook().and_then(|hook| hook.get_num()).ok();
            Some(Chain {
                table: text(chain.get_table().ok()?),
                name: text(chain.get_name().ok()?),
                forwards: hook == Some(libc::NF_INET_FORWARD.cast_unsigned()),
                drops: chain.get_policy().ok() == Some(libc::NF_DROP.cast_unsigned()),
            })
        }));
    }
    Ok(chains)
}

/// The rules of a table for IPv4, in their order. One that is not there has none.
pub(crate) fn rules(table: &CStr) -> io::Result<Vec<Rule>> {
    let answer = ask(libc::NFT_MSG_GETRULE, |body| {
        OpGetruleDump::encode_request(body, &header(libc::NFPROTO_IPV4)).push_table(table);
    })?;
    let rules = answer.iter().filter_map(|body| {
        let (_, rule) = OpGetruleDump::decode_reply(body);
        if rule.get_table().ok()? != table {
            return None;
        }
        let mut words = Words::default();
        for expression in rule.get_expressions().ok()?.get_elem() {
            let name = expression.get_name().map(text).unwrap_or_default();
            words.say(&name, expression.get_data().ok());
        }
        Some(Rule { chain: text(rule.get_chain().ok()?), text: words.said.join(" ") })
    });
    Ok(rules.collect())
}

fn header(family: libc::c_int) -> Nfgenmsg {
    Nfgenmsg { nfgen_family: family as u8, ..Nfgenmsg::new() }
}

fn text(words: &CStr) -> String {
    words.to_string_lossy().into_owned()
}

/// The words of a rule. Its expressions load something into a register and compare it there;
/// what is loaded is remembered until it is compared.
#[derive(Debug, Default)]
struct Words {
    said: Vec<String>,
    loaded: String,
    mask: Vec<u8>,
}

impl Words {
    fn say(&mut self, name: &str, expression: Option<ExprOps<'_>>) {
        match expression {
            Some(ExprOps::Meta(meta)) => {
                self.load(match meta.get_key() {
                    Ok(key) if key == MetaKeys::Iifname as u32 => "iifname".into(),
                    Ok(key) if key == MetaKeys::Oifname as u32 => "oifname".into(),
                    Ok(key) => format!("meta {key}"),
                    Err(_) => "meta".into(),
                });
            }
            Some(ExprOps::Payload(payload)) => {
                let place = (payload.get_base(), payload.get_offset(), payload.get_len());
                const NETWORK: u32 = PayloadBase::NetworkHeader as u32;
                self.load(match (place.0.ok(), place.1.ok(), place.2.ok()) {
                    // In a header of IPv4.
                    (Some(NETWORK), Some(12), Some(4)) => "ip saddr".into(),
                    (Some(NETWORK), Some(16), Some(4)) => "ip daddr".into(),
                    (base, offset, length) => format!(
                        "@{},{},{}",
                        base.unwrap_or(0),
                        offset.unwrap_or(0),
                        length.unwrap_or(0)
                    ),
                });
            }
            // Of a connection that is tracked, its state is the key 0.
            Some(ExprOps::Ct(ct)) => self.load(match ct.get_key() {
                Ok(0) => "ct state".into(),
                Ok(key) => format!("ct {key}"),
                Err(_) => "ct".into(),
            }),
            Some(ExprOps::Bitwise(bits)) => {
                let mask = bits.get_mask().and_then(|data| data.get_value());
                self.mask = mask.map(<[u8]>::to_vec).unwrap_or_default();
            }
            Some(ExprOps::Cmp(compare)) => {
                let value = compare.get_data().and_then(|data| data.get_value());
                self.compare(compare.get_op().unwrap_or(0), value.unwrap_or_default());
            }
            Some(ExprOps::Immediate(data)) => {
                let verdict = data.get_data().and_then(|data| data.get_verdict());
                let code = verdict.clone().and_then(|verdict| verdict.get_code());
                let chain = verdict.and_then(|verdict| verdict.get_chain()).map(text);
                let chain = chain.unwrap_or_default();
                self.said.push(match code.map(u32::cast_signed) {
                    Ok(libc::NF_DROP) => "drop".into(),
                    Ok(libc::NF_ACCEPT) => "accept".into(),
                    Ok(libc::NFT_JUMP) => format!("jump {chain}"),
                    Ok(libc::NFT_GOTO) => format!("goto {chain}"),
                    Ok(libc::NFT_RETURN) => "return".into(),
                    _ => name.to_string(),
                });
            }
            _ if name == "masq" => self.said.push("masquerade".into()),
            _ => self.said.push(name.to_string()),
        }
    }

    fn load(&mut self, what: String) {
        self.loaded = what;
        self.mask.clear();
    }

    fn compare(&mut self, operator: u32, value: &[u8]) {
        let sign = match operator {
            0 => "",
            1 => "!= ",
            2 => "< ",
            3 => "<= ",
            4 => "> ",
            _ => ">= ",
        };
        let words = match (self.loaded.as_str(), <[u8; 4]>::try_from(value)) {
            ("iifname" | "oifname", _) => {
                let name: Vec<u8> = value.iter().copied().take_while(|byte| *byte != 0).collect();
                // Less than the whole name is its beginning.
                let any = if value.len() < libc::IFNAMSIZ { "*" } else { "" };
                format!("{sign}\"{}{any}\"", String::from_utf8_lossy(&name))
            }
            ("ip saddr" | "ip daddr", Ok(address)) => {
                let mask = <[u8; 4]>::try_from(self.mask.as_slice()).map(u32::from_be_bytes);
                let prefix = mask.map(|mask| format!("/{}", mask.count_ones()));
                format!("{sign}{}{}", Ipv4Addr::from(address), prefix.unwrap_or_default())
            }
            // Any of the states whose bits are in the mask.
            ("ct state", Ok([0, 0, 0, 0])) if operator == 1 => {
                const STATES: [(u32, &str); 4] =
                    [(1, "invalid"), (2, "established"), (4, "related"), (8, "new")];
                let mask = <[u8; 4]>::try_from(self.mask.as_slice()).map_or(0, u32::from_ne_bytes);
                let states = STATES.iter().filter(|(bit, _)| mask & bit != 0);
                states.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
            }
            _ => {
                let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{sign}0x{digits}")
            }
        };
        self.said.push(format!("{} {words}", self.loaded));
    }
}

/// Asks nftables for all of a kind. The answer is there when the question was sent.
fn ask(kind: libc::c_int, body: impl FnOnce(&mut Vec<u8>)) -> io::Result<Vec<Vec<u8>>> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkNetFilter,
    )?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    let mut question = vec![0; HEADER];
    body(&mut question);
    let length = question.len() as u32;
    let kind = (libc::NFNL_SUBSYS_NFTABLES << 8 | kind) as u16;
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    question[0..4].copy_from_slice(&length.to_ne_bytes());
    question[4..6].copy_from_slice(&kind.to_ne_bytes());
    question[6..8].copy_from_slice(&flags.to_ne_bytes());
    send(socket.as_raw_fd(), &question, MsgFlags::empty())?;
    let mut answer = Vec::new();
    let mut buffer = vec![0; LONGEST];
    loop {
        let length = match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Err(Errno::EAGAIN) => return Ok(answer),
            Err(Errno::EINTR) => continue,
            result => result?,
        };
        let mut rest = &buffer[..length];
        while let Some((kind, body, after)) = first_message(rest) {
            match kind {
                libc::NLMSG_ERROR => {
                    let code = body.first_chunk::<4>().map_or(0, |raw| i32::from_ne_bytes(*raw));
                    match -code {
                        0 => {}
                        libc::ENOENT => return Ok(Vec::new()),
                        errno => return Err(io::Error::from_raw_os_error(errno)),
                    }
                }
                libc::NLMSG_DONE => return Ok(answer),
                _ => answer.push(body.to_vec()),
            }
            rest = after;
        }
    }
}

/// The type and body of the first message, and what comes after it.
fn first_message(bytes: &[u8]) -> Option<(libc::c_int, &[u8], &[u8])> {
    let header = bytes.first_chunk::<HEADER>()?;
    let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let kind = u16::from_ne_bytes([header[4], header[5]]);
    let body = bytes.get(HEADER..length)?;
    Some((kind.into(), body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}
