import type { Fault } from './fault.ts';

/** A reason that continues the field's name, or faults of the value's parts, their fields relative to it. */
export type Judgement = string | readonly Fault[] | undefined;

/** TypeBox's name for schemas that are judged by a function, and the member that holds it. */
export const judgedKind = 'Judged';
export const judge = Symbol('judge');
