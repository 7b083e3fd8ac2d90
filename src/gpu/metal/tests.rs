//! What holds on a GPU. Where none can be opened, that is an error like others, and nothing else is tested.

use super::Metal;
use crate::gpu::driver::{ARGUMENTS, Driver, Element, Kernel, Launch, MatMul, Variant};
use crate::gpu::emulated::Emulated;

fn opened() -> Option<Metal> {
    match Metal::open(0) {
        Ok(device) => Some(device),
        Err(why) => {
            eprintln!("no GPU: {why}");
            None
        }
    }
}

/// A buffer with these bytes.
fn given(device: &dyn Driver, bytes: &[u8]) -> u64 {
    let at = device.alloc(bytes.len()).expect("memory");
    device.upload(at, bytes).expect("an upload");
    at
}

#[test]
fn bytes_come_back_as_they_were_sent() {
    let Some(device) = opened() else { return };
    eprintln!("{}, {:?}", device.device_name(), device.memory());
    for len in [0, 1, 64 << 10, 20 << 20] {
        let sent: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
        let from = given(&device, &sent);
        let to = device.alloc(len).expect("memory");
        assert_eq!((from % 256, to % 256), (0, 0));
        device.copy(from, to, len).expect("a copy");
        let mut got = vec![0; len];
        device.read(to, &mut got).expect("a read");
        assert!(got == sent, "{len} bytes");
        device.free(from, len);
        device.free(to, len);
    }
    let error = device.alloc(1 << 50).expect_err("a petabyte").to_string();
    assert!(error.contains("memory is full"), "{error}");
    let astray = device.read(1 << 60, &mut [0]);
    assert!(astray.is_err());
}

/// Each writes where the one before wrote: the last one's word stays, whatever the lists that they are sent in.
#[test]
fn launches_run_in_their_order() {
    let Some(device) = opened() else { return };
    let target = given(&device, &[0; 8]);
    let pairs: Vec<u64> = (0..500).flat_map(|i| [target, i]).collect();
    let pairs = given(&device, bytemuck::cast_slice(&pairs));
    for i in 0..500 {
        let mut arguments = [0; ARGUMENTS];
        arguments[..8].copy_from_slice(&(pairs + 16 * i).to_le_bytes());
        arguments[8..12].copy_from_slice(&1_u32.to_le_bytes());
        let launch = Launch {
            kernel: Kernel::Poke,
            variant: Variant::Only,
            grid: [1, 1, 1],
            threads: 32,
            shared: 0,
            arguments,
            len: 16,
        };
        device.launch(&launch).expect("a launch");
        // Memory that comes between them.
        if i % 100 == 50 {
            given(&device, &[1; 64]);
        }
    }
    let mut word = [0; 8];
    device.read(target, &mut word).expect("a read");
    assert_eq!(u64::from_le_bytes(word), 499);
}

#[test]
fn every_kernel_can_be_made_ready() {
    let Some(device) = opened() else { return };
    let mut launch = Launch {
        kernel: Kernel::Poke,
        variant: Variant::Only,
        grid: [1, 1, 1],
        threads: 32,
        shared: 0,
        arguments: [0; ARGUMENTS],
        len: 16,
    };
    let all = [Element::F32, Element::F16, Element::BF16];
    let few = all
        .into_iter()
        .flat_map(|e| [1, 2, 4, 8].map(|n| Variant::Heads(e, n)));
    let mut wanted: Vec<(Kernel, Variant)> = few.map(|v| (Kernel::AttendFew, v)).collect();
    for element in all {
        for kernel in [
            Kernel::Append,
            Kernel::Dequantise,
            Kernel::Product,
            Kernel::WindowSums,
            Kernel::WindowScores,
        ] {
            wanted.push((kernel, Variant::Of(element)));
        }
        wanted.push((Kernel::WindowSums, Variant::Narrow(element)));
        wanted.push((Kernel::WindowScores, Variant::Narrow(element)));
    }
    wanted.extend([1, 2, 4, 8].map(|n| (Kernel::MatVec, Variant::Rows(n))));
    wanted.extend(
        [Kernel::MergeFew, Kernel::LargestParts, Kernel::LargestOfAll].map(|k| (k, Variant::Only)),
    );
    for (kernel, variant) in wanted {
        (launch.kernel, launch.variant) = (kernel, variant);
        let made = device.with(|parts| parts.kernels.pipeline(&launch).map(drop));
        made.unwrap_or_else(|why| panic!("{}: {why}", launch.symbol()));
    }
}

#[test]
fn products_are_those_of_the_host() {
    let Some(device) = opened() else { return };
    let host = Emulated::narrow(1).expect("the emulated device");
    let (rows, inputs, outputs, stride) = (70, 48, 90, 96);
    let number = |i: usize| ((i * 7 + i / 5) % 9) as f32 - 4.0;
    let half = |count: usize| -> Vec<u8> {
        let all = (0..count).map(|i| half::f16::from_f32(number(i)));
        all.flat_map(|x| x.to_le_bytes()).collect()
    };
    let product = |device: &dyn Driver| {
        let out = given(device, &vec![0; rows * stride * 4]);
        let product = MatMul {
            element: Element::F16,
            weight: given(device, &half(outputs * inputs)),
            x: given(device, &half(rows * inputs)),
            out,
            rows,
            inputs,
            outputs,
            stride,
        };
        device.multiply(&product).expect("a product");
        let mut got = vec![0.0_f32; rows * stride];
        let bytes = bytemuck::cast_slice_mut(&mut got);
        device.read(out, bytes).expect("a read");
        got
    };
    // Small whole numbers: exact in any order.
    assert_eq!(product(&device), product(&host));
}
