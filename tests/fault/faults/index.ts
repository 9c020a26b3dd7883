import type { Fault } from '../fault.ts';
import { aggregatorFaults } from './aggregator.ts';
import { backlogFaults } from './backlog.ts';
import { boundaryFaults } from './boundary.ts';
import { clockFaults } from './clocks.ts';
import { dayFaults } from './days.ts';
import { diskFaults } from './diskFull.ts';
import { gatewayFaults } from './gateway.ts';
import { limitsFaults } from './limits.ts';
import { networkFaults } from './network.ts';
import { poisonFaults } from './poison.ts';
import { postgresFaults } from './postgres.ts';
import { processorFaults } from './processor.ts';
import { redisFaults } from './redis.ts';
import { redisWentBackFaults } from './redisWentBack.ts';
import { shardFaults } from './shards.ts';
import { slowDiskFaults } from './slowDisk.ts';
import { upgradeFaults } from './upgrade.ts';
import { wentBackFaults } from './wentBack.ts';

/** The ten groups: processor, aggregator, gateway, limits, PostgreSQL, Redis, poison, clocks, network, upgrade. */
export const faults: Fault[] = [
  ...processorFaults,
  ...backlogFaults,
  ...aggregatorFaults,
  ...dayFaults,
  ...gatewayFaults,
  ...postgresFaults,
  ...wentBackFaults,
  ...diskFaults,
  ...redisFaults,
  ...redisWentBackFaults,
  ...shardFaults,
  ...slowDiskFaults,
  ...poisonFaults,
  ...boundaryFaults,
  ...clockFaults,
  ...limitsFaults,
  ...networkFaults,
  ...upgradeFaults,
];
