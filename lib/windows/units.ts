/** Lengths of UTC time, in the units of event times (µs since 1970) and of clocks (ms). */
export const minuteUs = 60_000_000;
export const hourUs = 60 * minuteUs;
export const dayUs = 24 * hourUs;
export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;
