//! Which addresses of the internet protocol are public, by IANA's registries of special-purpose addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses alone.
    Public,
    /// Also those of this machine and of private networks, for hosts that the operator named as being inside.
    Inside,
}

impl Reach {
    /// Whether `address` may be connected to. Link-local addresses, where clouds keep their metadata and credentials, never
    /// may, nor any that stand for several machines or for none.
    pub fn allows(self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.allows_v4(v4),
            // What is written as IPv6 and goes to an IPv4 address is that address.
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => self.allows_v4(v4),
                None => self.allows_v6(v6),
            },
        }
    }

    fn allows_v4(self, address: Ipv4Addr) -> bool {
        if address.is_loopback() || address.is_private() {
            return self == Reach::Inside;
        }
        !V4_SPECIAL.iter().any(|(network, bits)| {
            let mask = u32::MAX << (32 - bits);
            address.to_bits() & mask == network.to_bits()
        })
    }

    fn allows_v6(self, address: Ipv6Addr) -> bool {
        if address.is_loopback() || address.is_unique_local() {
            return self == Reach::Inside && address != AWS_METADATA;
        }
        // Only this eighth of the addresses is given out for use in public.
        let global = address.segments()[0] & 0xe000 == 0x2000;
        global
            && !V6_SPECIAL.iter().any(|(network, bits)| {
                let mask = u128::MAX << (128 - bits);
                address.to_bits() & mask == network.to_bits()
            })
    }
}

/// AWS's metadata service, within the range of private networks.
const AWS_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Networks that are not public and are neither loopback nor private.
const V4_SPECIAL: [(Ipv4Addr, u32); 11] = [
    // This network.
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    // Behind a carrier's address translation; also the metadata of some clouds.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    // Link-local; metadata of most clouds.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Protocol assignments.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    // Documentation, three times.
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // 6to4 relays, no longer in use.
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    // Measurements between networks.
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // Multicast.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    // Reserved, and broadcast.
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Networks within 2000::/3 that are not public, or that carry an IPv4 address.
const V6_SPECIAL: [(Ipv6Addr, u32); 4] = [
    // Protocol assignments, Teredo among them.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation, twice.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    // 6to4.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(reach: Reach, address: &str) -> bool {
        reach.allows(address.parse().unwrap())
    }

    #[test]
    fn public_addresses_alone_are_public() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
        ] {
            assert!(allows(Reach::Public, public), "{public}");
            assert!(allows(Reach::Inside, public), "{public}");
        }
        for inside in [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "::1",
            "fc00::1",
            "fdff::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
        ] {
            assert!(!allows(Reach::Public, inside), "{inside}");
            assert!(allows(Reach::Inside, inside), "{inside}");
        }
    }

    #[test]
    fn metadata_and_what_is_no_single_machine_are_never_reached() {
        for never in [
            "0.0.0.0",
            "0.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "169.254.169.254",
            "169.254.170.2",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a9fe:a9fe::1",
            "3fff::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            for reach in [Reach::Public, Reach::Inside] {
                assert!(!allows(reach, never), "{never}");
            }
        }
    }
}
