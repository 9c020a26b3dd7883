import { lookup as resolve } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/**
 * Addresses that a webhook must not reach, unless the operator allows them: those of this machine, of the networks that it
 * stands in, of cloud metadata, and those that are no single host's. Whoever creates a channel chooses the URL.
 */
const refused = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  refused.addSubnet(net, prefix, 'ipv4');
for (const [net, prefix] of [
  ['::', 128],
  ['::1', 128],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const)
  refused.addSubnet(net, prefix, 'ipv6');

export function isRefused(address: string): boolean {
  const plain = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  const version = isIP(plain);
  if (version === 4) return refused.check(plain, 'ipv4');
  if (version !== 6) return true;
  const mapped = mappedOf(plain);
  return mapped ? refused.check(mapped, 'ipv4') : refused.check(plain, 'ipv6');
}

/** The IPv4 address that an IPv6 one (::ffff:a.b.c.d, ::a.b.c.d) stands for. */
function mappedOf(address: string): string | undefined {
  const [, host] = /^\[(.*)\]$/.exec(new URL(`http://[${address}]`).hostname) ?? [];
  const [, high, low] = /^::(?:ffff:)?([\da-f]{1,4}):([\da-f]{1,4})$/.exec(host ?? '') ?? [];
  if (high === undefined || low === undefined) return undefined;
  const bits = Number.parseInt(high, 16) * 65_536 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.');
}

export class RefusedAddress extends Error {
  constructor(host: string) {
    super(
      `${host} is, or leads to, an address that is not public: the operator can allow it (WEBHOOK_ADDRESSES=any)`,
    );
  }
}

/**
 * Names are looked up for each connection, and the connection goes to the very addresses that were checked: a name that leads
 * elsewhere a moment later gains nothing.
 */
export const publicLookup: LookupFunction = (hostname, options, done) => {
  resolve(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return done(error, '', 0);
    const found = addresses as unknown as { address: string; family: number }[];
    if (found.length === 0 || found.some(({ address }) => isRefused(address)))
      return done(new RefusedAddress(hostname), '', 0);
    if (options.all) return (done as (error: null, all: typeof found) => void)(null, found);
    done(null, found[0]!.address, found[0]!.family);
  });
};
