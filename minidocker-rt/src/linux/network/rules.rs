//! The packet filter's rules: what `nft` does.
//!
//! All of ours are in one table of our own, made as a whole from the list of bridges and
//! replaced as a whole when that changes; the kernel does it in one transaction. What nobody
//! else put there nobody else misses when it goes.

use std::ffi::CStr;

use netlink_bindings::nftables::{
    CmpOps, CtKeys, MetaKeys, Nfgenmsg, OpBatchBeginDo, OpBatchEndDo, OpDeltableDo, OpGettableDo,
    OpNewchainDo, OpNewruleDo, OpNewtableDo, PayloadBase, PushExprListAttrs, Registers,
    VerdictCode,
};
use netlink_bindings::traits::NetlinkRequest;
use nix::libc;
use sha2::{Digest, Sha256};

use super::netlink::{Netlink, Request};
use super::registry::PREFIX;
use crate::linux::sys::{Sys, SysResult};
use crate::spec::Subnet;

/// The name of the table.
pub(crate) const TABLE: &CStr = c"minidocker";

/// What the rules are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Each bridge and its block of addresses.
    pub bridges: Vec<(String, Subnet)>,
    /// Interfaces that forward only because we have asked for it.
    pub opened: Vec<String>,
}

impl Rules {
    /// What the rules are made from, in words.
    fn description(&self) -> String {
        let bridges = self.bridges.iter().map(|(name, subnet)| format!("{name}={subnet}"));
        let opened = self.opened.iter().map(|name| format!("opened={name}"));
        bridges.chain(opened).collect::<Vec<_>>().join(" ")
    }

    /// Kept with the rules as the table's comment: whoever finds the same need not make them
    /// anew. In nft's form: type 0, length, text with its end.
    fn mark(&self) -> Vec<u8> {
        let digest = Sha256::digest(self.description());
        let text: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        [&[0, 33], text.as_bytes(), &[0]].concat()
    }

    /// Whether the kernel has them as they should be.
    pub fn are_there(&self, sys: &mut Sys, netfilter: &Netlink) -> SysResult<bool> {
        let request = Request::one(message(libc::NFT_MSG_GETTABLE), 0, |body| {
            OpGettableDo::encode_request(body, &ipv4()).push_name(TABLE);
        });
        let text = "NFT_MSG_GETTABLE {ip, \"minidocker\"}";
        match netfilter.ask(sys, text, &request) {
            Ok(answer) => Ok(answer.first().is_some_and(|body| {
                let (_, table) = OpGettableDo::decode_reply(body);
                table.get_userdata().is_ok_and(|found| found == self.mark())
            })),
            Err(error) if error.errno == libc::ENOENT => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts them in the place of those that are there, in one transaction.
    pub fn replace(&self, sys: &mut Sys, netfilter: &Netlink) -> SysResult<()> {
        let mut batch = Request::default();
        batch.push(libc::NFNL_MSG_BATCH_BEGIN as u16, 0, |body| {
            OpBatchBeginDo::encode_request(body, &whole());
        });
        // Made if it is not there, so that it can be removed without an error.
        batch.push(message(libc::NFT_MSG_NEWTABLE), libc::NLM_F_CREATE, |body| {
            OpNewtableDo::encode_request(body, &ipv4()).push_name(TABLE);
        });
        delete_table(&mut batch);
        let mark = self.mark();
        batch.push(message(libc::NFT_MSG_NEWTABLE), libc::NLM_F_CREATE, |body| {
            OpNewtableDo::encode_request(body, &ipv4()).push_name(TABLE).push_userdata(&mark);
        });
        // The numbers of the hooks and priorities: linux/netfilter.h, linux/netfilter_ipv4.h.
        chain(&mut batch, c"postrouting", c"nat", libc::NF_INET_POST_ROUTING, 100);
        chain(&mut batch, c"forward", c"filter", libc::NF_INET_FORWARD, 0);
        for (bridge, subnet) in &self.bridges {
            rule(&mut batch, c"postrouting", |list| {
                masquerade(oifname(from(list, subnet), bridge, CmpOps::Neq))
            });
            // Within a network; such packets come here only where br_netfilter is loaded.
            rule(&mut batch, c"forward", |list| {
                let within = oifname(iifname(list, bridge, CmpOps::Eq), bridge, CmpOps::Eq);
                verdict(within, VerdictCode::Accept)
            });
        }
        let any = format!("{PREFIX}*");
        // Answers come in; nothing else does, neither from outside nor from other networks.
        rule(&mut batch, c"forward", |list| {
            verdict(established(oifname(list, &any, CmpOps::Eq)), VerdictCode::Accept)
        });
        rule(&mut batch, c"forward", |list| {
            verdict(oifname(list, &any, CmpOps::Eq), VerdictCode::Drop)
        });
        for name in &self.opened {
            // The machine was no router, and for others it is to be none.
            rule(&mut batch, c"forward", |list| {
                verdict(established(iifname(list, name, CmpOps::Eq)), VerdictCode::Accept)
            });
            rule(&mut batch, c"forward", |list| {
                let through = oifname(iifname(list, name, CmpOps::Eq), &any, CmpOps::Neq);
                verdict(through, VerdictCode::Drop)
            });
        }
        end(&mut batch);
        let text = format!("nftables batch {{table ip minidocker, for {}}}", self.description());
        netfilter.ask(sys, &text, &batch).map(drop)
    }

    /// Removes the table with everything in it. One that is not there is fine.
    pub fn remove(sys: &mut Sys, netfilter: &Netlink) -> SysResult<()> {
        let mut batch = Request::default();
        batch.push(libc::NFNL_MSG_BATCH_BEGIN as u16, 0, |body| {
            OpBatchBeginDo::encode_request(body, &whole());
        });
        delete_table(&mut batch);
        end(&mut batch);
        match netfilter.ask(sys, "nftables batch {delete table ip minidocker}", &batch) {
            Err(error) if error.errno == libc::ENOENT => Ok(()),
            result => result.map(drop),
        }
    }
}

/// The type of a message to nftables.
fn message(kind: libc::c_int) -> u16 {
    (libc::NFNL_SUBSYS_NFTABLES << 8 | kind) as u16
}

fn ipv4() -> Nfgenmsg {
    Nfgenmsg { nfgen_family: libc::AF_INET as u8, ..Nfgenmsg::new() }
}

/// The header of what begins and ends a transaction.
fn whole() -> Nfgenmsg {
    let mut header = Nfgenmsg::new();
    header.set_res_id(libc::NFNL_SUBSYS_NFTABLES as u16);
    header
}

fn delete_table(batch: &mut Request) {
    batch.push(message(libc::NFT_MSG_DELTABLE), 0, |body| {
        OpDeltableDo::encode_request(body, &ipv4()).push_name(TABLE);
    });
}

/// Ends a transaction. Of its parts only one that fails is answered.
fn end(batch: &mut Request) {
    batch.push(libc::NFNL_MSG_BATCH_END as u16, 0, |body| {
        OpBatchEndDo::encode_request(body, &whole());
    });
}

fn chain(batch: &mut Request, name: &CStr, kind: &CStr, hook: libc::c_int, priority: i32) {
    batch.push(message(libc::NFT_MSG_NEWCHAIN), libc::NLM_F_CREATE, |body| {
        OpNewchainDo::encode_request(body, &ipv4())
            .push_table(TABLE)
            .push_name(name)
            .nested_hook()
            .push_num(hook.cast_unsigned())
            .push_priority(priority)
            .end_nested()
            .push_type(kind)
            .push_policy(libc::NF_ACCEPT.cast_unsigned());
    });
}

fn rule(batch: &mut Request, chain: &CStr, expressions: impl FnOnce(List<'_>) -> List<'_>) {
    let flags = libc::NLM_F_CREATE | libc::NLM_F_APPEND;
    batch.push(message(libc::NFT_MSG_NEWRULE), flags, |body| {
        let list = OpNewruleDo::encode_request(body, &ipv4())
            .push_table(TABLE)
            .push_chain(chain)
            .nested_expressions();
        let list: List<'_> = list;
        expressions(list).end_nested();
    });
}

/// The expressions of a rule. Each loads something into a register, compares it, or acts.
type List<'a> = PushExprListAttrs<netlink_bindings::nftables::PushRuleAttrs<&'a mut Vec<u8>>>;

const REGISTER: u32 = Registers::Reg1 as u32;

/// `iifname NAME`: the interface the packet came in by. A `*` at the end stands for anything.
fn iifname<'a>(list: List<'a>, name: &str, op: CmpOps) -> List<'a> {
    interface(list, MetaKeys::Iifname, name, op)
}

/// `oifname NAME`: the interface it goes out by.
fn oifname<'a>(list: List<'a>, name: &str, op: CmpOps) -> List<'a> {
    interface(list, MetaKeys::Oifname, name, op)
}

fn interface<'a>(list: List<'a>, key: MetaKeys, name: &str, op: CmpOps) -> List<'a> {
    // The whole register, or only as much of it as is said.
    let value = match name.strip_suffix('*') {
        Some(begin) => begin.as_bytes().to_vec(),
        None => {
            let mut whole = name.as_bytes().to_vec();
            whole.resize(libc::IFNAMSIZ, 0);
            whole
        }
    };
    let list = list
        .nested_elem()
        .nested_data_meta()
        .push_dreg(REGISTER)
        .push_key(key as u32)
        .end_nested()
        .end_nested();
    compare(list, op, &value)
}

/// `ip saddr SUBNET`: where the packet comes from.
fn from<'a>(list: List<'a>, subnet: &Subnet) -> List<'a> {
    let list = list
        .nested_elem()
        .nested_data_payload()
        .push_dreg(REGISTER)
        .push_base(PayloadBase::NetworkHeader as u32)
        // The source address in a header of IPv4.
        .push_offset(12)
        .push_len(4)
        .end_nested()
        .end_nested();
    let list = masked(list, &subnet.mask().to_be_bytes());
    compare(list, CmpOps::Eq, &subnet.network().octets())
}

/// `ct state established,related`: it belongs to a connection that was let through.
fn established(list: List<'_>) -> List<'_> {
    // Bits by number: IP_CT_ESTABLISHED + 1 and IP_CT_RELATED + 1.
    const LET_THROUGH: u32 = 1 << 1 | 1 << 2;
    let list = list
        .nested_elem()
        .nested_data_ct()
        .push_dreg(REGISTER)
        .push_key(CtKeys::State as u32)
        .end_nested()
        .end_nested();
    compare(masked(list, &LET_THROUGH.to_ne_bytes()), CmpOps::Neq, &[0; 4])
}

fn masked<'a>(list: List<'a>, mask: &[u8; 4]) -> List<'a> {
    list.nested_elem()
        .nested_data_bitwise()
        .push_sreg(REGISTER)
        .push_dreg(REGISTER)
        .push_len(4)
        .nested_mask()
        .push_value(mask)
        .end_nested()
        .nested_xor()
        .push_value(&[0; 4])
        .end_nested()
        .end_nested()
        .end_nested()
}

fn compare<'a>(list: List<'a>, op: CmpOps, value: &[u8]) -> List<'a> {
    list.nested_elem()
        .nested_data_cmp()
        .push_sreg(REGISTER)
        .push_op(op as u32)
        .nested_data()
        .push_value(value)
        .end_nested()
        .end_nested()
        .end_nested()
}

fn verdict(list: List<'_>, code: VerdictCode) -> List<'_> {
    list.nested_elem()
        .nested_data_immediate()
        .push_dreg(Registers::RegVerdict as u32)
        .nested_data()
        .nested_verdict()
        .push_code(code as u32)
        .end_nested()
        .end_nested()
        .end_nested()
        .end_nested()
}

/// `masquerade`: the packet goes out under the host's own address.
fn masquerade(list: List<'_>) -> List<'_> {
    list.nested_elem().push_name(c"masq").end_nested()
}
