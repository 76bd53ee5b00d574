"""Files written so that they are whole or not there, and read as from a stranger.

atomic_files.py       written beside, brought to the disk, then renamed
json_file.py          JSON, read strictly and within bounds
stored_zip.py         a zip whose members are stored as they are: `.keras`, and PyTorch's
folder_lock.py        a folder that one process at a time uses
"""
