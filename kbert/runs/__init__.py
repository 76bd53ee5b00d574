"""What a program that runs for long needs around its model.

run_folder.py         the folder of a run: locked, never emptied unasked, continued as it was begun
console.py            what a command shows, on any terminal, and its errors in its own words
malloc.py             memory that a process keeps between steps
"""
