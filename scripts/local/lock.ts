import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StartError } from '../../lib/service/startError.ts';

const triesMax = 3;

/**
 * One start in a folder at a time. The file holds the process id and when that process began, so that a file left by a
 * crash is recognised even when its id belongs to somebody else by now. Returns a function that gives the lock back.
 */
export async function takeLock(file: string): Promise<() => Promise<void>> {
  await mkdir(dirname(file), { recursive: true });
  const own = `${process.pid} ${await beganAt(process.pid)}`;
  for (let tries = 0; tries < triesMax; tries++) {
    try {
      const handle = await open(file, 'wx');
      await handle.writeFile(own);
      await handle.close();
      return () => rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const [pid = '', began = ''] = (await readFile(file, 'utf8').catch(() => '')).split(' ');
    if (pid !== '' && (await beganAt(Number(pid))) === began) {
      throw new StartError(`It runs already in this folder (process ${pid}): stop that one first.`);
    }
    await rm(file, { force: true });
  }
  throw new StartError(`${file} is being taken by another start: try again.`);
}

/** Clock ticks between the machine's boot and the process' start; undefined when there is no such process. */
async function beganAt(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The second field is the program's name in parentheses, which may hold spaces.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}
