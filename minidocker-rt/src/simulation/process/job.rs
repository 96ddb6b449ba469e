//! A job object of Windows: a group of processes that none of them can leave, whatever becomes
//! of its parents. The supervisor is in it, so everything that it starts is too, and the system
//! ends them all when the supervisor has ended, however it did.

use std::mem::{offset_of, size_of};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::sync::OnceLock;

use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_BASIC_PROCESS_ID_LIST, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectBasicProcessIdList, JobObjectExtendedLimitInformation, QueryInformationJobObject,
    SetInformationJobObject,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// The job of this process. Its handle is never closed before the process ends: that ends all.
static JOB: OnceLock<Option<OwnedHandle>> = OnceLock::new();

/// Makes a job, and puts this process into it.
pub(super) fn enter() {
    JOB.get_or_init(|| {
        let job = make();
        if job.is_none() {
            let error = std::io::Error::last_os_error();
            log::warn!("there is no job object, so daemons may outlive the container: {error}");
        }
        job
    });
}

fn make() -> Option<OwnedHandle> {
    // SAFETY: neither security attributes nor a name are given.
    let job = unsafe { CreateJobObjectW(std::ptr::null(), std::ptr::null()) };
    if job.is_null() {
        return None;
    }
    // SAFETY: the call has just made this handle for us alone.
    let job = unsafe { OwnedHandle::from_raw_handle(job) };
    // SAFETY: all zeros is a value of this plain structure.
    let mut limits: JOBOBJECT_EXTENDED_LIMIT_INFORMATION = unsafe { std::mem::zeroed() };
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    // SAFETY: the structure is the one that this class of information takes, with its size; the
    // handle of the current process needs no closing.
    let entered = unsafe {
        SetInformationJobObject(
            job.as_raw_handle(),
            JobObjectExtendedLimitInformation,
            (&raw const limits).cast(),
            size_of::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>() as u32,
        ) != 0
            && AssignProcessToJobObject(job.as_raw_handle(), GetCurrentProcess()) != 0
    };
    entered.then_some(job)
}

/// The processes in this process's job, itself among them; none if there is no job.
pub(in crate::simulation) fn members() -> Vec<u32> {
    let Some(Some(job)) = JOB.get() else { return Vec::new() };
    let head = offset_of!(JOBOBJECT_BASIC_PROCESS_ID_LIST, ProcessIdList);
    let mut room = 64;
    loop {
        // In words, as the numbers behind the two counts are.
        let mut buffer = vec![0_usize; head / size_of::<usize>() + room];
        // SAFETY: the buffer is as large as is said, and aligned for the structure.
        let done = unsafe {
            QueryInformationJobObject(
                job.as_raw_handle(),
                JobObjectBasicProcessIdList,
                buffer.as_mut_ptr().cast(),
                (buffer.len() * size_of::<usize>()) as u32,
                std::ptr::null_mut(),
            )
        };
        // SAFETY: the structure's head was filled in, or is zero, which is a value of it too.
        let list = unsafe { buffer.as_ptr().cast::<JOBOBJECT_BASIC_PROCESS_ID_LIST>().read() };
        let (all, listed) =
            (list.NumberOfAssignedProcesses as usize, list.NumberOfProcessIdsInList as usize);
        if done != 0 && listed >= all {
            let ids = buffer.iter().skip(head / size_of::<usize>()).take(listed);
            return ids.filter_map(|pid| u32::try_from(*pid).ok()).collect();
        }
        if room > 1 << 20 {
            return Vec::new();
        }
        // More have come than there was room for.
        room = all.max(room) * 2;
    }
}
