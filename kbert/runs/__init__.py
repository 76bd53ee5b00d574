"""What a program that runs for long needs around its model.

run_folder.py         the folder of a run: locked, never emptied unasked
console.py            a terminal that can be written to, whatever its encoding
malloc.py             memory that a process keeps between steps
"""
