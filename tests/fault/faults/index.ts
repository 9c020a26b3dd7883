import type { Fault } from '../fault.ts';
import { processorFaults } from './processor.ts';

export const faults: Fault[] = [...processorFaults];
