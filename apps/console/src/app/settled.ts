import { useEffect, useState } from 'preact/hooks';

const typingMs = 350;

/** The value once it has stopped changing. */
export function useSettled<T>(value: T, key: string): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), typingMs);
    return () => clearTimeout(timer);
  }, [key]);
  return settled;
}
