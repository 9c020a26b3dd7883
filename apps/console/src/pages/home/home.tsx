import { PageHead } from '../../ui/parts.tsx';
export function Home() {
  return <PageHead title="Home" />;
}
