"""One line per event, with what people could have typed escaped (threat-model X4); never an address, a text or a cookie."""

import json
import logging
import traceback


class Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = record.getMessage()[:400]
        line = f"{record.levelname.lower()} {record.name}: {json.dumps(said, ensure_ascii=True)[1:-1]}"
        if record.exc_info and record.exc_info[2]:
            kind = record.exc_info[0].__name__ if record.exc_info[0] else "Exception"
            where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(traceback.extract_tb(record.exc_info[2])[-6:]))
            # Not the exception's words: they can hold what somebody typed.
            line += f" [{kind} in {where}]"
        return line
