/** Line icons of our own, 24 × 24. Decoration: the text beside them says what they mean. */
const shapes = {
  home: 'M4 11l8-7 8 7M6 9.5V20h4.5v-6h3v6H18V9.5',
  events: 'M4 6h16M4 12h16M4 18h10',
  meters: 'M12 20a8 8 0 1 1 8-8M12 12l4-4M12 12h.01M20 16v4M17 18h6',
  explore: 'M4 20V4M4 20h16M8 16v-4M12 16V8M16 16v-6',
  subjects:
    'M16 20v-1.5a4 4 0 0 0-4-4H7a4 4 0 0 0-4 4V20M9.5 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M21 20v-1.5a4 4 0 0 0-3-3.87M16 4.13a3.5 3.5 0 0 1 0 6.75',
  trouble: 'M12 9v4M12 17h.01M10.3 4 2.8 17a2 2 0 0 0 1.7 3h15a2 2 0 0 0 1.7-3L13.7 4a2 2 0 0 0-3.4 0z',
  bell: 'M6 16V11a6 6 0 1 1 12 0v5l1.5 2h-15zM10 20.5h4',
  keys: 'M15.5 8.5a4.5 4.5 0 1 1-4.24 3L4 4M4 4v4M4 4h4M8 8l2 2',
  audit: 'M8 4h8l4 4v12H4V4h4M8 12h8M8 16h5',
  send: 'M21 3 10 14M21 3l-7 18-4-7-7-4z',
  book: 'M4 5a2 2 0 0 1 2-2h14v16H6a2 2 0 0 0-2 2zM4 19V5M8 7h8',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8M12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4',
  moon: 'M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z',
  system: 'M3 5h18v11H3zM8 20h8M12 16v4',
  menu: 'M4 6h16M4 12h16M4 18h16',
  close: 'M6 6l12 12M18 6 6 18',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  check: 'M5 12.5l4.5 4.5L19 7',
  plus: 'M12 5v14M5 12h14',
  play: 'M7 5l12 7-12 7z',
  pause: 'M8 5v14M16 5v14',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14M20 20l-4-4',
  info: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M12 11v5M12 8h.01',
  line: 'M4 17l5-6 4 3 7-9',
  bar: 'M6 20v-8M12 20V5M18 20v-5',
  stacked: 'M4 20h16M7 20v-5h3v5M7 12h3v3M14 20v-9h3v9M14 7h3v4',
  download: 'M12 4v11M7 11l5 5 5-5M5 20h14',
  out: 'M15 4h4a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1h-4M10 16l-4-4 4-4M6 12h9',
  refresh: 'M20 11a8 8 0 1 0-2 6M20 5v6h-6',
  edit: 'M4 20h4L19 9l-4-4L4 16zM13 7l4 4',
  trash: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5',
  code: 'M8 8l-4 4 4 4M16 8l4 4-4 4M13.5 5l-3 14',
  customers: 'M3 20V8l6-4v4l6-4v16M15 9l6 3v8H3M7 12h.01M7 16h.01M11 12h.01M11 16h.01',
} as const;

export type IconName = keyof typeof shapes;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      viewBox="0 0 24 24"
      width="18"
      height="18"
      fill="none"
      stroke="currentColor"
      stroke-width="1.8"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={shapes[name]} />
    </svg>
  );
}

export function Logo() {
  return (
    <svg width="28" height="28" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#4f46e5" />
      <g fill="#fff">
        <rect x="7" y="17" width="4.5" height="8" rx="1.5" />
        <rect x="13.75" y="12" width="4.5" height="13" rx="1.5" />
        <rect x="20.5" y="7" width="4.5" height="18" rx="1.5" />
      </g>
    </svg>
  );
}
